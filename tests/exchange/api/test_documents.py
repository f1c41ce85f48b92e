"""Documents in, the whole transfer out."""

import hashlib
import io
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from django.db.models import F

from tests import factories
from tests.actors import Actor, Cast
from tests.exchange.api.requests import get, said
from transfers.models import Document, Transfer
from transfers.rules.lifecycle import State

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

PDF = b"%PDF-1.4\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n"


@pytest.fixture
def draft(cast: Cast) -> Transfer:
    return factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.DRAFT)


def attach(
    actor: Actor,
    transfer: Transfer,
    content: bytes = PDF,
    *,
    query: str = "",
    media_type: str = "application/pdf",
    **more: str,
) -> "Response":
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    path = f"/api/transfers/{transfer.pk}/documents/{query}"
    return actor.client.post(path, content, content_type=media_type, headers=headers)


def test_a_document_is_attached(cast: Cast, draft: Transfer) -> None:
    response = attach(cast.sender_store, draft, query="?status=preliminary")
    assert response.status_code == 201
    assert said(response)["sha256"] == hashlib.sha256(PDF).hexdigest()
    (shown,) = said(get(cast.alice, f"transfers/{draft.pk}/"))["documents"]
    assert (shown["status"], shown["media_type"]) == ("preliminary", "application/pdf")


def test_its_title_is_read_from_a_header_and_sealed(cast: Cast, draft: Transfer) -> None:
    attach(cast.alice, draft, Document_Title=quote("Befund Müller"))
    (shown,) = said(get(cast.alice, f"transfers/{draft.pk}/"))["documents"]
    assert shown["title"] == "Befund Müller"
    assert "Müller".encode() not in bytes(Document.objects.get().record or b"")


def test_the_same_document_again_is_the_same(cast: Cast, draft: Transfer) -> None:
    first, again = attach(cast.alice, draft), attach(cast.alice, draft)
    assert (first.status_code, again.status_code) == (201, 200)
    assert said(first)["id"] == said(again)["id"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?status=guess", "status"),
        ("?replaces=x", "replaces"),
        ("?study_instance_uid=a", "study"),
        ("?title=Doe", "title"),
    ],
)
def test_a_wrong_value_names_its_field(cast: Cast, draft: Transfer, query: str, field: str) -> None:
    response = attach(cast.alice, draft, query=query)
    assert response.status_code == 400
    assert said(response)["errors"][0]["field"].startswith(field)


def test_another_type_is_refused(cast: Cast, draft: Transfer) -> None:
    assert attach(cast.alice, draft, media_type="application/x-msdownload").status_code == 415


@pytest.mark.parametrize(
    ("actor", "status"),
    [("sender_read", 403), ("bob", 404), ("mallory", 404), ("stranger_key", 404), ("anonymous", 401)],
)
def test_a_document_comes_from_the_sender_alone(cast: Cast, draft: Transfer, actor: str, status: int) -> None:
    assert attach(getattr(cast, actor), draft).status_code == status
    assert not Document.objects.exists()


# Download


@pytest.fixture
def available(cast: Cast) -> Transfer:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE)
    factories.store_instances(transfer, [factories.make_ct(), factories.make_ct()])
    # As validation leaves them: only what it has seen is given away.
    transfer.instances.update(validated_sha256=F("sha256"), record=b"sealed")
    return transfer


def body_of(response: "Response") -> bytes:
    return response.getvalue()


def test_a_transfer_is_downloaded_whole(cast: Cast, available: Transfer) -> None:
    response = get(cast.recipient_read, f"transfers/{available.pk}/download/?format=zip", Accept="application/zip")
    assert response.status_code == 200
    content = body_of(response)
    assert int(response["Content-Length"]) == len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert len([name for name in archive.namelist() if name.endswith(".dcm")]) == 2


def test_a_download_goes_on(cast: Cast, available: Transfer) -> None:
    path = f"transfers/{available.pk}/download/"
    whole = body_of(get(cast.bob, path))
    tail = get(cast.bob, path, Range="bytes=100-")
    assert tail.status_code == 206
    assert body_of(tail) == whole[100:]
    assert get(cast.bob, path, Range=f"bytes={len(whole)}-").status_code == 416


def test_another_format_is_not_offered_yet(cast: Cast, available: Transfer) -> None:
    assert get(cast.bob, f"transfers/{available.pk}/download/?format=iso").status_code == 400
    assert get(cast.bob, f"transfers/{available.pk}/download/?fromat=zip").status_code == 400


@pytest.mark.parametrize(("actor", "status"), [("mallory", 404), ("clinic_read", 404), ("anonymous", 401)])
def test_a_download_is_for_its_recipients(cast: Cast, available: Transfer, actor: str, status: int) -> None:
    assert get(getattr(cast, actor), f"transfers/{available.pk}/download/").status_code == status
