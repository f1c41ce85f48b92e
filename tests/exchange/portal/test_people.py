"""Pages of a signed-in person: the lists, a transfer, and what may be done to it."""

import io
import zipfile
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Membership
from tests import factories, sealing
from tests.actors import Actor, Cast
from tests.exchange.portal.linking import FILE, Answer, text_of
from transfers.models import Delivery, Finding, Transfer
from transfers.rules.lifecycle import Access, State


def send(cast: Cast, **fields: object) -> Transfer:
    transfer = sealing.send([FILE], sender=cast.st_elsewhere, to=[cast.general_hospital])
    Transfer.objects.filter(pk=transfer.pk).update(**fields)
    transfer.refresh_from_db()
    return transfer


def show(actor: Actor, transfer: Transfer) -> Answer:
    return actor.client.get(f"/transfers/{transfer.pk}/")


def act(actor: Actor, transfer: Transfer, name: str, **form: str) -> Answer:
    return actor.client.post(f"/transfers/{transfer.pk}/{name}/", form)


@pytest.mark.parametrize("path", ["/", "/sent/", "/transfers/7bbd515b-31cd-4fd5-9e5e-05068380cd6c/"])
def test_who_is_not_signed_in_is_asked_to(cast: Cast, path: str) -> None:
    response = cast.anonymous.client.get(path)
    assert (response.status_code, response["Location"]) == (302, f"/accounts/login/?next={path}")


def test_a_key_opens_no_page(cast: Cast) -> None:
    assert cast.recipient_read.client.get("/").status_code == 302


def test_the_inbox_lists_what_came(cast: Cast) -> None:
    transfer = send(cast, urgency="urgent")
    text = text_of(cast.bob.client.get("/"))
    assert transfer.reference in text
    assert "Urgent" in text
    assert transfer.reference not in text_of(cast.alice.client.get("/"))
    assert transfer.reference in text_of(cast.alice.client.get("/sent/"))


def test_a_stranger_sees_nothing_of_it(cast: Cast) -> None:
    transfer = send(cast)
    assert transfer.reference not in text_of(cast.mallory.client.get("/"))
    assert show(cast.mallory, transfer).status_code == 404
    assert act(cast.mallory, transfer, "withdraw", sure="on").status_code == 404


def test_lists_hold_no_patient_data_and_no_page_is_cached(cast: Cast) -> None:
    transfer = send(cast)
    for response in (cast.bob.client.get("/"), cast.alice.client.get("/sent/")):
        assert "Canary" not in response.content.decode()
        assert response["Cache-Control"] == "no-store"
    assert show(cast.bob, transfer)["Cache-Control"] == "no-store"


def test_older_ones_are_on_the_next_page(cast: Cast) -> None:
    for _ in range(26):
        factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE)
    client = cast.bob.client
    first = client.get("/")
    following = first.content.decode().partition('href="?after=')[2].partition('"')[0]
    second = client.get(f"/?after={following}")
    assert first.content.count(b"<tr") == 26  # 25 and the heading
    assert second.content.count(b"<tr") == 2


def test_a_made_up_page_is_refused_in_words(cast: Cast) -> None:
    response = cast.bob.client.get("/?after=nonsense")
    assert response.status_code == 400
    assert "Use the cursor" in text_of(response)


def test_times_are_in_utc_and_in_the_readers_zone(cast: Cast) -> None:
    assert cast.bob.user is not None
    cast.bob.user.time_zone = "Asia/Tokyo"
    cast.bob.user.save(update_fields=["time_zone"])
    transfer = send(cast)
    text = text_of(show(cast.bob, transfer))
    assert f"{transfer.available_until:%H:%M} UTC" in text
    assert "Asia/Tokyo" in text


def test_a_recipient_downloads_it(cast: Cast) -> None:
    transfer = send(cast)
    response: Answer = cast.bob.client.get(f"/transfers/{transfer.pk}/download/")
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    assert archive.read(archive.namelist()[0]) == FILE
    assert Delivery.objects.get().progress == "pulled"


def test_a_recipient_confirms_the_receipt(cast: Cast) -> None:
    transfer = send(cast)
    response = act(cast.bob, transfer, "acknowledge", sure="on")
    assert (response.status_code, response["Location"]) == (303, f"/transfers/{transfer.pk}/")
    assert Delivery.objects.get().progress == "proven"


def test_a_recipient_accepts_and_only_then_sees_inside(cast: Cast) -> None:
    transfer = send(cast)
    Delivery.objects.update(access=Access.WAITING)
    assert "Accept" in text_of(show(cast.bob, transfer))
    assert "Download" not in text_of(show(cast.bob, transfer))
    act(cast.bob, transfer, "accept")
    assert Delivery.objects.get().access == Access.OPEN
    assert "Download" in text_of(show(cast.bob, transfer))


def test_who_confirms_reads_how_much_was_pulled(cast: Cast) -> None:
    transfer = send(cast)
    page = text_of(show(cast.bob, transfer))
    assert "You have pulled 0 of 1 image here: confirm it only if all of it came" in page
    response: Answer = cast.bob.client.get(f"/transfers/{transfer.pk}/download/")
    b"".join(response.streaming_content)
    assert "You have pulled 1 of 1 image here." in text_of(show(cast.bob, transfer))


def test_a_receipt_is_confirmed_by_a_tick_and_no_single_click(cast: Cast) -> None:
    transfer = send(cast)
    response = act(cast.bob, transfer, "acknowledge")
    assert response.status_code == 400
    assert "Tick the box to say that you have all of it" in text_of(response)
    assert Delivery.objects.get().progress == "none"


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_of_a_destroyed_one_it_stays_known_how_much_was_pulled(cast: Cast, name: str) -> None:
    transfer = send(cast)
    response: Answer = cast.bob.client.get(f"/transfers/{transfer.pk}/download/")
    b"".join(response.streaming_content)
    act(cast.alice, transfer, "withdraw", sure="on")
    page = text_of(show(getattr(cast, name), transfer))
    assert "Destroyed withdrawn by the sender" in page
    assert "Held 1 image" in page
    assert "1 of 1" in page and "ended" in page
    assert "Canary" not in page


def test_of_a_destroyed_one_that_was_never_accepted_nothing_is_known(cast: Cast) -> None:
    transfer = send(cast)
    Delivery.objects.update(access=Access.WAITING, was_open=False)
    act(cast.alice, transfer, "withdraw", sure="on")
    assert "1 image" not in text_of(show(cast.bob, transfer))
    assert "never accepted" in text_of(show(cast.alice, transfer))


def test_the_inbox_counts_what_was_destroyed(cast: Cast) -> None:
    transfer = send(cast)
    act(cast.alice, transfer, "withdraw", sure="on")
    page = cast.bob.client.get("/").content.decode()
    assert '<td data-label="Images" class="number">1</td>' in page


# Somebody of both sides


@pytest.fixture
def both(cast: Cast) -> Actor:
    assert cast.bob.user is not None
    Membership.objects.create(user=cast.bob.user, organization=cast.st_elsewhere, may_send=True)
    return cast.bob


def test_who_belongs_to_both_sides_accepts(cast: Cast, both: Actor) -> None:
    transfer = send(cast)
    Delivery.objects.update(access=Access.WAITING)
    assert "waits for acceptance" in text_of(both.client.get("/"))
    page = text_of(show(both, transfer))
    assert "Accept it to open" in page and "Withdraw" in page
    assert act(both, transfer, "accept").status_code == 303
    assert Delivery.objects.get().access == Access.OPEN


def test_who_belongs_to_both_sides_confirms(cast: Cast, both: Actor) -> None:
    transfer = send(cast)
    assert "Confirm receipt" in text_of(show(both, transfer))
    act(both, transfer, "acknowledge", sure="on")
    assert Delivery.objects.get().progress == "proven"


def test_what_somebody_of_both_sides_downloads_counts_as_pulled(cast: Cast, both: Actor) -> None:
    transfer = send(cast)
    response: Answer = both.client.get(f"/transfers/{transfer.pk}/download/")
    b"".join(response.streaming_content)
    assert Delivery.objects.get().progress == "pulled"


def test_what_a_sender_downloads_counts_for_nobody(cast: Cast) -> None:
    transfer = send(cast)
    response: Answer = cast.alice.client.get(f"/transfers/{transfer.pk}/download/")
    b"".join(response.streaming_content)
    assert Delivery.objects.get().progress == "none"
    assert transfer.reference in response["Content-Disposition"]
    assert "st-elsewhere" in response["Content-Disposition"]


def test_what_is_not_found_is_called_so(cast: Cast) -> None:
    text = text_of(cast.bob.client.get(f"/transfers/{uuid4()}/"))
    assert "Not found" in text and "Not possible" not in text


def test_who_sends_alone_is_not_asked_to_answer(cast: Cast) -> None:
    page = text_of(show(cast.alice, send(cast)))
    assert "Confirm receipt" not in page and "Decline" not in page


def test_declining_needs_a_reason_that_the_sender_reads(cast: Cast) -> None:
    transfer = send(cast)
    refused = act(cast.bob, transfer, "decline", reason=" ")
    assert refused.status_code == 400
    assert "Say why" in text_of(refused)
    act(cast.bob, transfer, "decline", reason="Not our patient")
    assert "Not our patient" in text_of(show(cast.alice, transfer))


def test_withdrawing_needs_a_second_thought(cast: Cast) -> None:
    transfer = send(cast)
    assert act(cast.alice, transfer, "withdraw").status_code == 400
    transfer.refresh_from_db()
    assert transfer.state == State.AVAILABLE
    act(cast.alice, transfer, "withdraw", sure="on")
    transfer.refresh_from_db()
    assert transfer.state == State.PURGED


def test_a_held_one_shows_why_and_is_released_with_a_note(cast: Cast) -> None:
    transfer = send(cast, state=State.HELD, reason="findings", available_at=None)
    record = factories.key_of(transfer).seal("finding", "identity-conflict:", b"Two patients in one transfer.")
    Finding.objects.create(
        transfer=transfer, code="identity-conflict", grade="stop", record=record, created_at=timezone.now()
    )
    assert "Two patients in one transfer." in text_of(show(cast.alice, transfer))
    assert act(cast.alice, transfer, "release", note="").status_code == 400
    response = act(cast.alice, transfer, "release", note="Same person, married")
    assert response.status_code == 303, text_of(response)
    assert "Same person, married" in text_of(show(cast.alice, transfer))


def test_what_is_refused_is_said_on_the_same_page(cast: Cast) -> None:
    transfer = send(cast)
    response = act(cast.alice, transfer, "release", note="why not")
    assert response.status_code == 409
    assert "Only a transfer that is held" in text_of(response)
    assert transfer.reference in text_of(response)


def test_a_reader_may_not_withdraw(cast: Cast) -> None:
    transfer = send(cast)
    assert act(cast.bob, transfer, "withdraw", sure="on").status_code == 403
    assert "Withdraw" not in text_of(show(cast.bob, transfer))


def test_an_unknown_act_is_not_found(cast: Cast) -> None:
    assert act(cast.alice, send(cast), "publish").status_code == 404


def test_a_lapsed_one_offers_nothing(cast: Cast) -> None:
    transfer = send(cast, available_until=timezone.now() - timedelta(seconds=1))
    text = text_of(show(cast.bob, transfer))
    assert "Closed its time is over" in text
    assert "Download" not in text
    assert cast.bob.client.get(f"/transfers/{transfer.pk}/download/").status_code == 410


def test_forms_need_their_token(cast: Cast) -> None:
    transfer, client = send(cast), cast.alice.client
    client.handler.enforce_csrf_checks = True
    response = client.post(f"/transfers/{transfer.pk}/withdraw/", {"sure": "on"})
    assert response.status_code == 403
    assert "The form was too old" in text_of(response)


def test_what_was_sent_says_to_whom_and_who_has_it(cast: Cast) -> None:
    transfer = send(cast)
    text = text_of(cast.alice.client.get("/sent/"))
    assert "General Hospital" in text and "not opened" in text
    factories.make_delivery(transfer, organization=cast.county_clinic)
    transfer.deliveries.filter(organization=cast.county_clinic).update(progress="pulled")
    text = text_of(cast.alice.client.get("/sent/"))
    assert "and 1 more" in text and "by 1 of 2" in text


def test_lists_count_documents_and_tell_the_sender_who_decides(cast: Cast) -> None:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.HELD)
    factories.store_document(transfer, b"%PDF-1.4 report")
    Transfer.objects.filter(pk=transfer.pk).update(reason="findings")
    page = text_of(cast.alice.client.get("/sent/"))
    assert "1 document" in page
    assert "a problem was found in it, and you have to decide" in page


def test_what_nobody_opened_yet_stands_out(cast: Cast) -> None:
    transfer = send(cast)
    assert b'<tr class="new">' in cast.bob.client.get("/").content
    transfer.deliveries.update(progress="opened")
    assert b'<tr class="new">' not in cast.bob.client.get("/").content


def test_a_transfer_is_found_by_its_reference(cast: Cast) -> None:
    first, second = send(cast, reference="7K3M-92QD"), send(cast, reference="7K3M-92QE")
    typed = first.reference.lower().replace("-", " ")
    text = text_of(cast.bob.client.get("/", {"reference": typed}))
    assert first.reference in text and second.reference not in text
    assert "has the reference" in text_of(cast.mallory.client.get("/", {"reference": first.reference}))
    assert "Nothing that you sent has" in text_of(cast.alice.client.get("/sent/", {"reference": "no such"}))
