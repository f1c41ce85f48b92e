"""A form that a browser sends twice, by a reload or a second click, acts once and says so."""

import json
import re

from django.core import mail

from tests import factories
from tests.actors import Actor, Cast
from tests.exchange.portal.linking import Answer, text_of
from transfers import addressing, keys
from transfers.formats import envelope
from transfers.models import Delivery, Grant, IdempotencyKey, Transfer
from transfers.rules.lifecycle import State

PIN = re.compile(r">(\d{4} \d{4})<")


def number_on(page: Answer) -> str:
    found = re.search(r'name="once" value="([^"]+)"', page.content.decode())
    assert found is not None
    return found[1]


def show(actor: Actor, transfer: Transfer) -> Answer:
    return actor.client.get(f"/transfers/{transfer.pk}/")


def act(actor: Actor, transfer: Transfer, name: str, **form: object) -> Answer:
    return actor.client.post(f"/transfers/{transfer.pk}/{name}/", form, follow=True)


def linked(cast: Cast) -> Delivery:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[], state=State.AVAILABLE)
    factories.store_instance(transfer, factories.make_ct())
    sealed = factories.key_of(transfer).seal("email", (b"h" * 32).hex(), b"jane.doe@practice.example")
    return factories.make_delivery(transfer, email_hash=b"h" * 32, email_record=sealed)


def test_a_reload_makes_no_second_link_and_leaves_the_first_pin_valid(cast: Cast) -> None:
    delivery = linked(cast)
    form = {"delivery": delivery.pk, "once": number_on(show(cast.alice, delivery.transfer))}
    first = act(cast.alice, delivery.transfer, "renew-link", **form)
    assert PIN.search(first.content.decode())
    grant = delivery.grants.get(revoked_at=None)
    second = act(cast.alice, delivery.transfer, "renew-link", **form)
    assert second.redirect_chain == [(f"/transfers/{delivery.transfer_id}/", 303)]
    assert not PIN.search(second.content.decode())
    text = text_of(second)
    assert "This was done already, and was not done again." in text and "PINs are shown once" in text
    assert delivery.grants.get(revoked_at=None) == grant
    assert not mail.outbox


def test_the_page_with_the_pin_has_a_new_number_for_the_next_one(cast: Cast) -> None:
    delivery = linked(cast)
    first = act(
        cast.alice,
        delivery.transfer,
        "renew-link",
        delivery=delivery.pk,
        once=number_on(show(cast.alice, delivery.transfer)),
    )
    again = act(cast.alice, delivery.transfer, "renew-link", delivery=delivery.pk, once=number_on(first))
    assert PIN.findall(first.content.decode()) != PIN.findall(again.content.decode()) != []
    assert delivery.grants.count() == 2


def test_a_sent_draft_that_is_sent_again_is_no_error(cast: Cast) -> None:
    transfer = Transfer.objects.get(pk=addressing.create(cast.alice.who).transfer_id)
    factories.store_instance(transfer, factories.make_ct())
    form = {"recipients": "jane@example.org", "urgency": "routine", "once": number_on(show(cast.alice, transfer))}
    assert PIN.search(act(cast.alice, transfer, "send", **form).content.decode())
    second = act(cast.alice, transfer, "send", **form)
    assert second.status_code == 200
    assert "This was done already" in text_of(second) and "Only a draft can be changed" not in text_of(second)
    assert (Grant.objects.count(), Delivery.objects.count()) == (1, 1)


def test_no_pin_is_kept_for_a_repetition(cast: Cast) -> None:
    delivery = linked(cast)
    form = {"delivery": delivery.pk, "once": number_on(show(cast.alice, delivery.transfer))}
    act(cast.alice, delivery.transfer, "renew-link", **form)
    key = IdempotencyKey.objects.get()
    kept = envelope.open_record(
        keys.root_record_key(),
        bytes(key.answer_record or b""),
        envelope.fields(b"answer", key.principal.encode(), str(key.pk).encode()),
    )
    assert json.loads(kept) == {"body": "", "headers": {}}


def test_what_was_refused_may_be_tried_again_with_the_same_form(cast: Cast) -> None:
    transfer = Transfer.objects.get(pk=addressing.create(cast.alice.who).transfer_id)
    form = {"recipients": "general-hospital", "urgency": "routine", "once": number_on(show(cast.alice, transfer))}
    assert "It holds nothing yet" in text_of(act(cast.alice, transfer, "send", **form))
    factories.store_instance(transfer, factories.make_ct())
    assert "It is sent." in text_of(act(cast.alice, transfer, "send", **form))


def test_other_words_in_the_same_form_are_another_request(cast: Cast) -> None:
    """Going back in the browser shows the old page with its number."""
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE)
    factories.make_delivery(transfer, organization=cast.county_clinic)
    number = number_on(show(cast.alice, transfer))
    for delivery in transfer.deliveries.all():
        act(cast.alice, transfer, "revoke", delivery=delivery.pk, sure="on", once=number)
    assert {one.access for one in transfer.deliveries.all()} == {"revoked"}


def test_the_number_of_one_person_is_nothing_to_another(cast: Cast) -> None:
    transfer = factories.make_transfer(cast.st_elsewhere, to=[cast.general_hospital], state=State.AVAILABLE)
    act(cast.alice, transfer, "withdraw", once="the-same")
    refused = act(cast.mallory, transfer, "withdraw", sure="on", once="the-same")
    assert refused.status_code == 404
    act(cast.alice, transfer, "withdraw", sure="on", once="the-same")
    transfer.refresh_from_db()
    assert transfer.state == State.PURGED
