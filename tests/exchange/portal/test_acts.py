"""What a sender does on the page of a transfer: send, finish, keep open, open again, take back, check again."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests import factories
from tests.actors import Actor, Cast
from tests.exchange.portal.linking import Answer, text_of
from transfers import access, addressing
from transfers.models import Delivery, Grant, Transfer
from transfers.rules.lifecycle import Access, Reason, State

PROTECTED = ["send", "finalise", "release", "retry", "extend", "reopen", "revoke", "renew-link", "withdraw"]


def show(actor: Actor, transfer: Transfer) -> Answer:
    return actor.client.get(f"/transfers/{transfer.pk}/")


def act(actor: Actor, transfer: Transfer, name: str, **form: object) -> Answer:
    return actor.client.post(f"/transfers/{transfer.pk}/{name}/", form)


def draft(cast: Cast, **wishes: object) -> Transfer:
    created = addressing.create(cast.alice.who, **wishes)  # type: ignore[arg-type]
    transfer = Transfer.objects.get(pk=created.transfer_id)
    factories.store_instance(transfer, factories.make_ct())
    return transfer


def make(cast: Cast, state: State, **fields: Any) -> Transfer:  # Any: column values
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=state, **fields)
    factories.store_instance(transfer, factories.make_ct())
    return transfer


def again(transfer: Transfer) -> Transfer:
    transfer.refresh_from_db()
    return transfer


def later(days: int) -> str:
    return (timezone.now().date() + timedelta(days=days)).isoformat()


# Send


def test_a_draft_is_sent_to_partners_with_what_there_is_to_say(cast: Cast) -> None:
    transfer = draft(cast)
    page = text_of(show(cast.alice, transfer))
    assert "Send to your partners" in page and "general-hospital" in page and "strange-place" not in page
    form = {"partner": "general-hospital", "purpose": "referral", "urgency": "urgent", "message": "Please report."}
    assert act(cast.alice, transfer, "send", **form).status_code == 303
    assert (again(transfer).state, transfer.purpose, transfer.urgency) == (State.VALIDATING, "referral", "urgent")
    assert Delivery.objects.get().organization == cast.general_hospital
    shown = text_of(show(cast.alice, transfer))
    assert "Please report." in shown and "Referral" in shown


def test_the_numbers_of_links_are_shown_once(cast: Cast) -> None:
    transfer = draft(cast)
    response = act(
        cast.alice,
        transfer,
        "send",
        recipients="jane@example.org; general-hospital\njoe@example.org",
        urgency="routine",
    )
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    numbers = re.findall(r">(\d{4} \d{4})<", response.content.decode())
    assert len(numbers) == 2 and "jane@example.org" in text_of(response)
    assert not re.search(r">\d{4} \d{4}<", show(cast.alice, transfer).content.decode())
    assert (Grant.objects.count(), Delivery.objects.count()) == (2, 3)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"recipients": "no such place"}, "“no”, “such” and “place” are no address of the directory"),
        ({"recipients": "general-hospital\njane@\nx@example.org"}, "“jane@” is no address of the directory"),
        ({"recipients": "general-hospital.nowhere; Jane Doe <jane@>"}, "“general-hospital.nowhere” and “jane@” are no"),
        ({"partner": "nowhere"}, "“nowhere” is no address of the directory"),
        ({"partner": "no\0where"}, "Choose among what the page offers."),
        ({"recipients": "st-elsewhere"}, "This is your own address"),
        ({"partner": "general-hospital", "until": "soon"}, "Give the last day on which it is to be open"),
        ({"partner": "general-hospital", "until": "2999-12-31"}, "days"),
        ({}, "Nobody is chosen yet."),
    ],
)
def test_what_cannot_be_sent_stays_as_it_was_typed(cast: Cast, form: dict[str, str], sentence: str) -> None:
    transfer = draft(cast)
    response = act(cast.alice, transfer, "send", urgency="urgent", purpose="quality", message="Typed text", **form)
    assert response.status_code in (400, 409)
    assert sentence in text_of(response) and "Typed text" in text_of(response)
    assert re.search(r'value="quality" selected', response.content.decode())
    assert (again(transfer).state, transfer.purpose, transfer.message_record) == (State.DRAFT, "", None)


def test_what_is_typed_is_no_markup(cast: Cast) -> None:
    response = act(cast.alice, draft(cast), "send", urgency="routine", recipients="</textarea><script>", message="<b>")
    assert b"<script" not in response.content and b"<b>" not in response.content


@pytest.mark.parametrize(("name", "value"), [("purpose", "Mrs Miller"), ("urgency", "at once")])
def test_a_choice_that_is_none_is_refused(cast: Cast, name: str, value: str) -> None:
    transfer = draft(cast)
    form = {"partner": "general-hospital", "urgency": "routine", name: value}
    assert act(cast.alice, transfer, "send", **form).status_code == 400
    assert again(transfer).state == State.DRAFT


def test_a_message_that_was_there_stays_where_none_is_typed(cast: Cast) -> None:
    transfer = draft(cast, message="Written before")
    act(cast.alice, transfer, "send", partner="general-hospital", urgency="routine", message="")
    assert "Written before" in text_of(show(cast.alice, transfer))


def test_everything_is_there(cast: Cast) -> None:
    transfer = make(cast, State.RECEIVING)
    assert "Everything is there" in text_of(show(cast.alice, transfer))
    assert act(cast.alice, transfer, "finalise").status_code == 303
    assert again(transfer).state == State.VALIDATING


# Its time


def test_it_is_kept_open_to_the_end_of_a_day_of_the_sender(cast: Cast) -> None:
    assert cast.alice.user is not None
    cast.alice.user.time_zone = "Asia/Tokyo"
    cast.alice.user.save(update_fields=["time_zone"])
    transfer = make(cast, State.AVAILABLE)
    assert act(cast.alice, transfer, "extend", until=later(60)).status_code == 303
    assert f"{again(transfer).available_until:%H:%M:%S}" == "14:59:59"  # a second before midnight in Tokyo
    assert transfer.available_until.date() == date.fromisoformat(later(60))


@pytest.mark.parametrize("until", ["", "soon", "31.12.2027", "2027-13-01", "9999-12-31", "0001-01-01", "2999-12-31"])
def test_a_day_that_is_none_is_refused(cast: Cast, until: str) -> None:
    transfer = make(cast, State.AVAILABLE)
    before = transfer.available_until
    assert act(cast.alice, transfer, "extend", until=until).status_code == 400
    assert again(transfer).available_until == before


def test_an_earlier_day_is_refused_in_words(cast: Cast) -> None:
    response = act(cast.alice, make(cast, State.AVAILABLE), "extend", until=later(5))
    assert response.status_code == 400
    assert "It is already available until" in text_of(response)
    assert f'value="{later(5)}"' in response.content.decode()


def test_what_lapsed_is_opened_again(cast: Cast) -> None:
    transfer = make(cast, State.AVAILABLE)
    Transfer.objects.filter(pk=transfer.pk).update(
        state=State.CLOSED, reason=Reason.LAPSED, available_until=timezone.now() - timedelta(hours=1)
    )
    assert "Open again" in text_of(show(cast.alice, transfer))
    assert "Open again" not in text_of(show(cast.bob, transfer))
    assert act(cast.alice, transfer, "reopen", until=later(10)).status_code == 303
    assert again(transfer).state == State.AVAILABLE


@pytest.mark.parametrize(
    ("reason", "fields"),
    [(Reason.WITHDRAWN, {}), (Reason.LAPSED, {"available_at": None}), (Reason.LAPSED, {"purge_at": timezone.now()})],
)
def test_what_cannot_be_opened_again_is_not_offered(cast: Cast, reason: Reason, fields: dict[str, object]) -> None:
    transfer = make(cast, State.AVAILABLE)
    past = timezone.now() - timedelta(hours=1)
    Transfer.objects.filter(pk=transfer.pk).update(state=State.CLOSED, reason=reason, available_until=past, **fields)
    assert "Open again" not in text_of(show(cast.alice, transfer))


# Taking back


def test_one_recipient_is_taken_out_after_a_second_thought(cast: Cast) -> None:
    transfer = make(cast, State.AVAILABLE)
    factories.make_delivery(transfer, organization=cast.county_clinic)
    delivery = transfer.deliveries.get(organization=cast.county_clinic)
    assert act(cast.alice, transfer, "revoke", delivery=delivery.pk).status_code == 400
    delivery.refresh_from_db()
    assert delivery.access == Access.OPEN
    assert act(cast.alice, transfer, "revoke", delivery=delivery.pk, sure="on").status_code == 303
    delivery.refresh_from_db()
    assert delivery.access == Access.REVOKED
    assert show(cast.bob, transfer).status_code == 200


@pytest.mark.parametrize("delivery", ["", "x", "0", "999999"])
def test_a_recipient_that_is_none_is_refused(cast: Cast, delivery: str) -> None:
    transfer = make(cast, State.AVAILABLE)
    assert act(cast.alice, transfer, "revoke", delivery=delivery, sure="on").status_code == 400
    assert transfer.deliveries.get().access == Access.OPEN


def test_the_delivery_of_another_transfer_is_not_touched(cast: Cast) -> None:
    mine, other = make(cast, State.AVAILABLE), make(cast, State.AVAILABLE)
    response = act(cast.alice, mine, "revoke", delivery=other.deliveries.get().pk, sure="on")
    assert response.status_code == 400
    assert other.deliveries.get().access == Access.OPEN


# Checking again


def test_what_could_not_be_checked_is_checked_again(cast: Cast) -> None:
    transfer = make(cast, State.HELD, reason=Reason.FAILED)
    page = text_of(show(cast.alice, transfer))
    assert "Check again" in page and "Why it may go" not in page
    assert act(cast.alice, transfer, "retry").status_code == 303
    assert again(transfer).state == State.VALIDATING


# Who may


@pytest.mark.parametrize("name", PROTECTED)
def test_a_recipient_and_a_stranger_may_not(cast: Cast, name: str) -> None:
    transfer = make(cast, State.AVAILABLE)
    full = {
        "until": later(60),
        "delivery": transfer.deliveries.get().pk,
        "sure": "on",
        "note": "because",
        "urgency": "routine",
        "recipients": "general-hospital",
    }
    assert act(cast.bob, transfer, name, **full).status_code == 403
    for form in (full, {}):
        assert act(cast.mallory, transfer, name, **form).status_code == 404
    assert again(transfer).state == State.AVAILABLE


@pytest.mark.parametrize("name", PROTECTED)
def test_every_form_needs_its_token(cast: Cast, name: str) -> None:
    transfer, client = make(cast, State.AVAILABLE), cast.alice.client
    client.handler.enforce_csrf_checks = True
    assert client.post(f"/transfers/{transfer.pk}/{name}/", {"sure": "on"}).status_code == 403


def test_a_person_who_only_reads_is_offered_nothing(cast: Cast) -> None:
    assert cast.alice.user is not None
    cast.alice.user.memberships.update(may_send=False, may_administer=False, may_receive=True)
    page = text_of(show(cast.alice, make(cast, State.AVAILABLE)))
    assert "What you can do" not in page


# A new link


def linked(cast: Cast) -> Delivery:
    transfer = make(cast, State.AVAILABLE)
    sealed = factories.key_of(transfer).seal("email", (b"h" * 32).hex(), b"jane.doe@practice.example")
    return factories.make_delivery(transfer, email_hash=b"h" * 32, email_record=sealed)


def test_a_lost_pin_is_made_anew_and_shown_once(cast: Cast) -> None:
    delivery = linked(cast)
    transfer = delivery.transfer
    page = show(cast.alice, transfer).content.decode()
    form = page.partition("renew-link/")[2].partition("</form>")[0]
    assert "jane.doe@practice.example" in form and "General Hospital" not in form
    answer = act(cast.alice, transfer, "renew-link", delivery=delivery.pk)
    pin = re.search(r"\b\d{4} \d{4}\b", text_of(answer).partition("jane.doe@practice.example")[2])
    assert answer.status_code == 200
    assert pin and pin[0] not in text_of(show(cast.alice, transfer))
    assert access.digest_of_pin(delivery, pin[0].replace(" ", "")) == bytes(delivery.grants.get().pin_digest or b"")


def test_a_new_link_needs_a_reader(cast: Cast) -> None:
    answer = act(cast.alice, linked(cast).transfer, "renew-link")
    assert answer.status_code == 400
    assert "Choose the reader" in text_of(answer)


def test_without_a_link_none_is_renewed(cast: Cast) -> None:
    assert "renew-link" not in show(cast.alice, make(cast, State.AVAILABLE)).content.decode()


# Who is chosen already


def test_who_is_chosen_already_is_shown_so_and_not_offered_again(cast: Cast) -> None:
    transfer = draft(cast, recipients=["general-hospital", "jane@example.org"])
    form = show(cast.alice, transfer).content.decode().partition('id="act-send"')[2].partition("</section>")[0]
    assert "It goes to" in form and "General Hospital" in form and "jane@example.org" in form
    assert 'name="partner"' not in form
    assert act(cast.alice, transfer, "send", urgency="routine").status_code == 303
    assert again(transfer).state == State.VALIDATING


def test_a_recipient_is_taken_off_a_draft_with_its_link(cast: Cast) -> None:
    transfer = draft(cast, recipients=["general-hospital", "jane@example.org"])
    delivery = transfer.deliveries.get(organization=None)
    assert act(cast.alice, transfer, "remove", delivery=delivery.pk).status_code == 303
    assert (transfer.deliveries.get().organization, Grant.objects.count()) == (cast.general_hospital, 0)
    page = text_of(show(cast.alice, transfer))
    assert "jane@example.org" not in page and "A recipient taken off" in page


def test_who_was_taken_off_can_be_chosen_again(cast: Cast) -> None:
    transfer = draft(cast, recipients=["general-hospital"])
    act(cast.alice, transfer, "remove", delivery=transfer.deliveries.get().pk)
    assert act(cast.alice, transfer, "send", partner="general-hospital", urgency="routine").status_code == 303
    assert transfer.deliveries.get().access == Access.OPEN


def test_nobody_is_taken_off_what_was_sent_nor_by_another(cast: Cast) -> None:
    sent, other = make(cast, State.AVAILABLE), draft(cast, recipients=["general-hospital"])
    assert act(cast.alice, sent, "remove", delivery=sent.deliveries.get().pk).status_code == 409
    assert act(cast.alice, other, "remove", delivery=sent.deliveries.get().pk).status_code == 400
    assert act(cast.mallory, other, "remove", delivery=other.deliveries.get().pk).status_code == 404
    assert (sent.deliveries.count(), other.deliveries.count()) == (1, 1)


def test_the_end_is_set_where_it_is_sent(cast: Cast) -> None:
    transfer = draft(cast)
    form = {"partner": "general-hospital", "urgency": "routine", "until": later(12)}
    assert act(cast.alice, transfer, "send", **form).status_code == 303
    assert f"{again(transfer).available_until:%Y-%m-%d %H:%M:%S}" == f"{later(12)} 23:59:59"
    assert transfer.purge_at == transfer.available_until + transfer.grace
    assert factories.key_of(transfer)  # wrapped anew under its day, and still to be opened


def test_a_name_in_front_of_an_address_is_left_out(cast: Cast) -> None:
    transfer = draft(cast)
    act(cast.alice, transfer, "send", recipients="Jane Doe <jane@example.org>; <joe@example.org>", urgency="routine")
    assert Delivery.objects.filter(organization=None).count() == 2


# What went wrong is said at the top


def test_an_error_stands_at_the_top_with_a_way_to_its_field(cast: Cast) -> None:
    response = act(cast.alice, make(cast, State.AVAILABLE), "extend", until="2999-12-31")
    page = response.content.decode()
    assert "<title>Error: " in page
    main = page.partition("<main")[2]
    assert main.index('role="alert"') < main.index("<h1")
    assert re.search(r'<a href="#extend-until">[^<]+</a>', main)
    assert re.search(r'<input type="date" id="extend-until"[^>]* value="2999-12-31"[^>]* aria-invalid="true"', main)
    assert re.search(r'<details class="more" open><summary>Keep it open longer', main)


def test_a_page_without_an_error_has_none_of_it(cast: Cast) -> None:
    page = show(cast.alice, make(cast, State.AVAILABLE)).content.decode()
    assert "Error:" not in page and 'role="alert"' not in page and "aria-invalid" not in page


def test_what_was_typed_and_chosen_stays(cast: Cast) -> None:
    transfer = make(cast, State.AVAILABLE)
    delivery = transfer.deliveries.get()
    page = act(cast.alice, transfer, "revoke", delivery=delivery.pk).content.decode()
    assert f'<option value="{delivery.pk}" selected>' in page
    assert '<a href="#revoke-sure">' in page and 'id="revoke-sure"' in page
    long = act(cast.bob, transfer, "decline", reason="Too long. " * 401).content.decode()
    assert "Too long. Too long." in long and '<a href="#decline-reason">' in long


def test_a_pasted_table_is_not_looked_up_to_its_end(cast: Cast, django_assert_max_num_queries: Any) -> None:
    transfer = draft(cast)
    names = " ".join(f"n{number}" for number in range(700))
    with django_assert_max_num_queries(150):
        refused = act(cast.alice, transfer, "send", recipients=names, urgency="routine")
    assert refused.status_code == 400
    assert "“n4” and 45 more are no address of the directory" in text_of(refused)


def test_too_many_recipients_are_refused(cast: Cast) -> None:
    transfer = draft(cast)
    names = " ".join(f"reader{number}@example.org" for number in range(51))
    refused = act(cast.alice, transfer, "send", recipients=names, urgency="routine")
    assert refused.status_code == 400 and "Give at most 50 recipients." in text_of(refused)
    assert not Delivery.objects.filter(transfer=transfer).exists()
