"""A link to an available transfer, as its reader holds it."""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts import credentials
from tests import factories, sealing
from tests.actors import Cast
from transfers import access
from transfers.models import Grant, Transfer

Answer = Any  # the test client's response, a class that it makes up at run time

PIN = "40302010"
FILE = factories.make_ct(PatientName="Canary^Yellow", PatientID="CANARY-1")


@dataclass
class Link:
    """The reader's side: a secret address, a number, a browser."""

    transfer: Transfer
    grant: Grant
    token: str = field(repr=False)
    browser: Client = field(default_factory=Client)

    @property
    def path(self) -> str:
        return f"/s/{self.token}/"

    @property
    def inside(self) -> str:
        return f"/g/{self.grant.pk}/"

    def open(self, pin: str = PIN, **form: Any) -> Answer:  # Any: form values
        return self.browser.post(self.path, {"pin": pin, **form})

    def again(self) -> Grant:
        self.grant.refresh_from_db()
        return self.grant


def make_link(cast: Cast, files: list[bytes] | None = None, **fields: Any) -> Link:  # Any: column values
    transfer = sealing.send(files or [FILE], sender=cast.st_elsewhere, to=[])
    delivery = factories.make_delivery(transfer, email_hash=secrets.token_bytes(32))
    token = credentials.new_link_token()
    grant = Grant.objects.create(
        delivery=delivery,
        token_digest=credentials.keyed_digest("link", token),
        pin_digest=access.digest_of_pin(delivery, PIN),
        verbs=["view", "download"],
        created_at=timezone.now(),
        **fields,
    )
    return Link(transfer, grant, token)


def text_of(response: Answer) -> str:
    """A page as it reads: tags gone, spaces joined."""
    text: str = response.content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())
