"""A sender, a recipient and a real SMTP server between them."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from accounts.models import Organization
from tests import factories, smtp_server
from tests.smtp_server import Mailbox


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[Mailbox]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.PUBLIC_URL, settings.PUBLIC_HOST = "https://exchange.example", "exchange.example"
    with smtp_server.serve() as served:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", served.port
        yield served


@pytest.fixture
def sender() -> Organization:
    return factories.make_organization(
        "st-elsewhere", desk_phone="+41 44 100", notify_email="desk@st-elsewhere.example"
    )


@pytest.fixture
def general() -> Organization:
    return factories.make_organization(
        "general-hospital", notify_email="images@general.example", time_zone="Europe/Zurich"
    )
