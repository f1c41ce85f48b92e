"""A document is opened by itself: saved, never run, counted and recorded like every other pull."""

from uuid import uuid4

import pytest

from accounts.models import AuditEvent
from tests import factories, sealing
from tests.actors import Cast
from tests.exchange.portal.linking import FILE, PIN, Answer, Link, make_link, text_of
from transfers.models import Delivery, Grant, PullRecord, Transfer
from transfers.rules.lifecycle import Access

REPORT = b"%PDF-1.4 findings: none"


@pytest.fixture
def transfer(cast: Cast) -> Transfer:
    transfer = sealing.send([FILE], sender=cast.st_elsewhere, to=[cast.general_hospital])
    factories.store_document(transfer, REPORT, media_type="application/pdf")
    return transfer


def path_of(transfer: Transfer) -> str:
    return f"/transfers/{transfer.pk}/documents/{transfer.documents.get().pk}/"


def body(response: Answer) -> bytes:
    return b"".join(response.streaming_content)


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_each_side_finds_it_linked_and_gets_its_bytes(cast: Cast, transfer: Transfer, name: str) -> None:
    client = getattr(cast, name).client
    path = path_of(transfer)
    assert f'href="{path}"' in client.get(f"/transfers/{transfer.pk}/").content.decode()
    assert body(client.get(path)) == REPORT


def test_a_browser_saves_it_and_runs_nothing(cast: Cast, transfer: Transfer) -> None:
    response = cast.bob.client.get(path_of(transfer))
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == f'attachment; filename="st-elsewhere-{transfer.reference}-RE000001.pdf"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"].startswith("sandbox")
    assert "no-store" in response["Cache-Control"]
    assert body(response) == REPORT


def test_it_is_recorded_as_pulled_and_audited(cast: Cast, transfer: Transfer) -> None:
    body(cast.bob.client.get(path_of(transfer)))
    record = PullRecord.objects.get()
    assert (record.document_id, record.kind, record.road) == (transfer.documents.get().pk, "pulled", "document")
    assert Delivery.objects.get().progress == "partly pulled"
    event = AuditEvent.objects.get(action="document.pull")
    assert (event.principal, event.detail["complete"]) == (cast.bob.who.ident, True)
    assert "0 of 1 image and 1 of 1 document" in text_of(cast.alice.client.get(f"/transfers/{transfer.pk}/"))


def test_a_document_of_another_transfer_is_not_found_under_this_one(cast: Cast, transfer: Transfer) -> None:
    foreign = sealing.send([FILE], sender=cast.strangers)
    factories.store_document(foreign, b"not yours")
    path = f"/transfers/{transfer.pk}/documents/{foreign.documents.get().pk}/"
    assert cast.bob.client.get(path).status_code == 404
    assert cast.bob.client.get(f"/transfers/{uuid4()}/documents/1/").status_code == 404


def test_who_has_not_accepted_gets_none(cast: Cast, transfer: Transfer) -> None:
    Delivery.objects.update(access=Access.WAITING)
    assert cast.bob.client.get(path_of(transfer)).status_code == 404


# By a link


def make_opened(cast: Cast, max_pulls: int | None = None) -> Link:
    link = make_link(cast, max_pulls=max_pulls)
    factories.store_document(link.transfer, REPORT, media_type="application/pdf")
    link.open(PIN)
    return link


def inside(link: Link) -> str:
    return f"{link.inside}documents/{link.transfer.documents.get().pk}/"


def test_the_reader_of_a_link_opens_it_after_the_pin(cast: Cast) -> None:
    link = make_opened(cast)
    assert f'href="{inside(link)}"' in link.browser.get(link.inside).content.decode()
    response = link.browser.get(inside(link))
    assert body(response) == REPORT
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Content-Security-Policy"].startswith("sandbox")


def test_without_the_pin_it_stays_closed(cast: Cast) -> None:
    link = make_opened(cast)
    assert cast.anonymous.client.get(inside(link)).status_code == 401


def test_another_grants_document_is_not_found(cast: Cast) -> None:
    link, other = make_opened(cast), make_opened(cast)
    path = f"{link.inside}documents/{other.transfer.documents.get().pk}/"
    assert link.browser.get(path).status_code == 404


def test_it_counts_as_its_share_of_a_download(cast: Cast) -> None:
    link = make_opened(cast, max_pulls=1)
    body(link.browser.get(inside(link)))
    grant = link.again()
    whole = len(FILE) + len(REPORT)
    assert grant.pulls_done == 0
    assert grant.share_pulled == pytest.approx(len(REPORT) / whole, abs=1e-6)
    body(link.browser.get(f"{link.inside}download/"))
    assert link.again().pulls_done == 1
    assert link.browser.get(inside(link)).status_code == 410


def test_all_documents_one_by_one_are_one_download(cast: Cast) -> None:
    link = make_opened(cast, max_pulls=1)
    Transfer.objects.filter(pk=link.transfer.pk).update(byte_count=0)  # documents are all there is
    for name in (b"%PDF-2", b"%PDF-3"):
        factories.store_document(link.transfer, name * 11, media_type="application/pdf")
    for document in link.transfer.documents.all():
        assert body(link.browser.get(f"{link.inside}documents/{document.pk}/"))
    assert Grant.objects.get(pk=link.grant.pk).pulls_done == 1
