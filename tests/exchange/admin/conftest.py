"""Everybody, and who operates the exchange."""

import pytest
from django.test import Client

from accounts.models import User
from tests.actors import Cast, make_cast


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator@waystation.example"))
    return client
