"""Every row of `mandatory` gets the answer that it states, and what differs from the standard is written down."""

import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from django.db import transaction
from django.test import Client
from pydicom.uid import ImplicitVRLittleEndian

from tests import factories, sealing
from tests.exchange.dicomweb import mandatory, storing
from tests.exchange.dicomweb.conftest import Reply, Site, site
from tests.exchange.dicomweb.mandatory.row import XML, Row
from tests.exchange.dicomweb.pictures import ramp, report, shipped, state_for
from transfers.models import Instance

CONFORMANCE = Path(__file__).resolve().parents[3] / "docs" / "conformance.md"


@dataclasses.dataclass(frozen=True)
class World:
    """Bob was sent a study of an image, frames of colour, a report and a presentation state, and another study."""

    alice: Site
    bob: Site
    names: dict[str, str]
    bodies: dict[str, bytes]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:  # Any: pytest-django
    """Made once: every request is taken back."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world()
        transaction.set_rollback(True)


def make_world() -> World:
    alice, bob = site("store", "read"), site("read")
    bob.organization.allowed_origins = ["https://viewer.example"]
    bob.organization.save(update_fields=["allowed_origins"])
    image = ramp()
    study = str(pydicom.dcmread(io.BytesIO(image)).StudyInstanceUID)
    files = {
        "image": image,
        "colour": renamed(shipped("SC_rgb_rle_2frame.dcm"), study),
        "report": report(StudyInstanceUID=study),
        "state": state_for(image),
    }
    transfer = sealing.send(files.values(), sender=alice.organization, to=[bob.organization])
    stored = Instance.objects.filter(transfer=transfer).select_related("series").order_by("pk")
    names = {"root": "/dicomweb", "study": study, "bob": bob.organization.address, "new_study": factories.make_uid()}
    for name, instance in zip(files, stored, strict=True):
        names[name] = instance.sop_instance_uid
        names["series" if name == "image" else f"{name}_series"] = instance.series.series_instance_uid
    implicit = factories.part10_file(
        pydicom.dcmread(io.BytesIO(factories.make_ct(StudyInstanceUID=factories.make_uid(), StudyDate=""))),
        transfer_syntax_uid=ImplicitVRLittleEndian,
    )
    names["implicit"] = sent(implicit, alice, bob)
    names["over"] = sent(factories.make_ct(), alice, bob, is_over=True)
    names["foreign"] = sent(factories.make_ct(), alice, site("read"))
    made = bodies(factories.make_ct(StudyInstanceUID=names["new_study"])) | references(names)
    return World(alice, bob, names, made)


def sent(file: bytes, alice: Site, to: Site, *, is_over: bool = False) -> str:
    """The Study Instance UID of a transfer of its own."""
    transfer = sealing.send([file], sender=alice.organization, to=[to.organization])
    if is_over:
        sealing.lapse(transfer)
    return transfer.studies.get().study_instance_uid


def renamed(file: bytes, study: str) -> bytes:
    """The same image as part of a study."""
    ds = pydicom.dcmread(io.BytesIO(file))
    ds.StudyInstanceUID, written = study, io.BytesIO()
    ds.save_as(written)
    return written.getvalue()


def bodies(file: bytes) -> dict[str, bytes]:
    one, noise = storing.file(file), storing.file(b"noise")
    whole = storing.body([one])
    document = b'<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM"/>'
    return {
        "bare": file,
        "one": whole,
        "one and noise": storing.body([one, noise]),
        "noise": storing.body([noise]),
        "nothing": storing.body([]),
        "cut": whole[: len(whole) // 2],
        "json": storing.body([storing.metadata(storing.ct()), storing.bulk(bytes(512), "pixels")]),
        "xml": storing.body([storing.Part(document, {"Content-Type": XML})]),
    }


def references(names: dict[str, str]) -> dict[str, bytes]:
    """Data sets that name what is to be kept (PS3.18 Section 13.1)."""

    def uid(tag: str, value: str) -> dict[str, Any]:  # Any: DICOM JSON
        return {tag: {"vr": "UI", "Value": [value]}}

    def sequence(tag: str, **item: Any) -> dict[str, Any]:  # Any: DICOM JSON
        return {tag: {"vr": "SQ", "Value": [item]}}

    ct, image = uid("00081150", factories.CT_STORAGE), uid("00081155", names["image"])
    classes = sequence("00081112", **ct, **sequence("0008114A", **image))
    series = sequence("00081115", **uid("0020000E", names["series"]), **classes)
    asked = {
        "instances": sequence("00081199", **ct, **image),
        "whole study": sequence("00081110", **uid("0020000D", names["study"]), **series),
        "no references": {},
    }
    return {name: json.dumps(members).encode() for name, members in asked.items()}


def ask(world: World, row: Row) -> Reply:
    """By the key of the sender for what is sent, else of the recipient; and take back whatever it did."""
    who = world.alice if row.method == "POST" else world.bob
    headers = {"Authorization": who.authorization, **row.headers}
    if row.accept:
        headers["Accept"] = row.accept
    media_type = row.media_type
    if media_type.startswith("multipart/") and "boundary" not in media_type:
        media_type += "; boundary=next"
    path = row.path.format(**world.names)
    body = world.bodies[row.body] if row.body else b""
    with transaction.atomic():
        response = Client().generic(row.method, path, body, content_type=media_type, headers=headers)
        reply = Reply.of(response)
        transaction.set_rollback(True)
    return reply


@pytest.mark.django_db
@pytest.mark.parametrize("row", mandatory.ROWS, ids=lambda row: row.id)
def test_answer_is_the_one_that_is_stated(world: World, row: Row) -> None:
    reply = ask(world, row)
    assert reply.status == row.status, reply.body[:300]
    assert reply.headers.get("Content-Type", "").startswith(row.gives)
    assert row.says in "\n".join(reply.headers.values())
    if row.status >= 400 and not row.gives:
        assert reply.headers["Content-Type"] == "application/problem+json"


def test_what_deviates_is_written_down() -> None:
    text = CONFORMANCE.read_text()
    missing = {row.id: row.deviates for row in mandatory.ROWS if row.deviates and row.deviates not in text}
    assert missing == {}


def test_no_row_is_there_twice() -> None:
    asked = [dataclasses.replace(row, headers={}, status=0) for row in mandatory.ROWS if not row.headers]
    assert len({repr(row) for row in asked}) == len(asked)
