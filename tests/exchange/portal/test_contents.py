"""Whose images these are: on the page of a transfer and behind a link, for whoever may see them, and nowhere else."""

import re
from typing import Any

import pytest

from accounts.models import AuditEvent
from tests import factories, sealing
from tests.actors import Cast
from tests.exchange.portal.linking import PIN, make_link, text_of
from transfers.models import Delivery, Transfer
from transfers.rules.lifecycle import Access, State

SAYS = ["Canary, Yellow", "CANARY-1", "4 July 1960", "female", "CT head", "2 January 2026", "CT", "1 image in 1 series"]


def make_file(**attributes: Any) -> bytes:  # Any: element values
    return factories.make_ct(
        **{"PatientName": "Canary^Yellow", "PatientID": "CANARY-1", "StudyDescription": "CT head", **attributes}
    )


def send(cast: Cast, *files: bytes, state: State = State.AVAILABLE) -> Transfer:
    return sealing.send(files or [make_file()], sender=cast.st_elsewhere, to=[cast.general_hospital], state=state)


def show(actor: Any, transfer: Transfer) -> str:  # Any: an actor with a session
    return text_of(actor.client.get(f"/transfers/{transfer.pk}/"))


@pytest.mark.parametrize("name", ["alice", "bob"])
@pytest.mark.parametrize("word", SAYS)
def test_both_sides_read_whose_images_they_are(cast: Cast, name: str, word: str) -> None:
    assert word in show(getattr(cast, name), send(cast))


@pytest.mark.parametrize("word", SAYS)
def test_the_reader_of_a_link_reads_it_after_the_number(cast: Cast, word: str) -> None:
    link = make_link(cast, [make_file()])
    assert "Canary" not in text_of(link.browser.get(link.path))
    link.open(PIN)
    assert word in text_of(link.browser.get(link.inside))


def test_neither_title_nor_address_says_it(cast: Cast) -> None:
    transfer = send(cast)
    page = cast.bob.client.get(f"/transfers/{transfer.pk}/").content.decode()
    assert not [
        found for found in re.findall(r'<title>.*?</title>|(?:href|src|action)="[^"]*"', page) if "anar" in found
    ]


def test_who_has_not_accepted_does_not_read_it(cast: Cast) -> None:
    transfer = send(cast)
    Delivery.objects.update(access=Access.WAITING)
    assert "Canary" not in show(cast.bob, transfer)


def test_nobody_reads_it_when_it_is_over(cast: Cast) -> None:
    transfer = send(cast)
    Transfer.objects.filter(pk=transfer.pk).update(state=State.CLOSED, reason="lapsed")
    assert "Canary" not in show(cast.bob, transfer)
    assert "Canary" not in show(cast.alice, transfer)


def test_the_sender_of_a_held_one_reads_each_patient(cast: Cast) -> None:
    transfer = send(cast, make_file(), make_file(PatientName="Other^Olive", PatientID="O-2"), state=State.HELD)
    text = show(cast.alice, transfer)
    assert "Canary, Yellow" in text
    assert "Other, Olive" in text


def test_studies_of_one_patient_stand_under_one_name(cast: Cast) -> None:
    text = show(cast.bob, send(cast, make_file(), make_file(StudyDescription="CT chest")))
    assert text.count("Canary, Yellow") == 1
    assert "CT head" in text
    assert "CT chest" in text


def test_what_the_images_do_not_say_is_said_to_be_missing(cast: Cast) -> None:
    file = make_file(PatientName="", PatientID="", PatientBirthDate="", StudyDescription=None, StudyDate="")
    text = show(cast.bob, send(cast, file))
    for word in (
        "No name given",
        "ID not given",
        "birth date not given",
        "Study without description",
        "date not given",
    ):
        assert word in text


def test_a_name_is_read_in_each_of_its_scripts(cast: Cast) -> None:
    text = show(cast.bob, send(cast, make_file(PatientName="Yamada^Tarou^^Dr=山田^太郎")))
    assert "Yamada, Dr Tarou (山田, 太郎)" in text


def test_markup_in_a_name_is_text(cast: Cast) -> None:
    transfer = send(cast, make_file(PatientName="<script>alert(1)</script>"))
    page = cast.bob.client.get(f"/transfers/{transfer.pk}/").content.decode()
    assert "<script>alert(1)" not in page


def test_that_somebody_looked_is_in_the_trail(cast: Cast) -> None:
    transfer = send(cast)
    show(cast.bob, transfer)
    event = AuditEvent.objects.filter(action="study.search", subject=f"transfer:{transfer.pk}").get()
    assert event.principal == cast.bob.who.ident
