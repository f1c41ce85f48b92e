"""Storage commitment: who may ask, what is committed, until when, and that a request has one answer."""

import json
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from tests import factories, sealing
from tests.exchange.dicomweb.conftest import Reply, Sent, Site
from tests.exchange.dicomweb.storing import file, store
from tests.transfers.formats.test_nativexml import expected
from tests.transfers.formats.test_nativexml import read as read_xml
from transfers import jobs, vault, vouching
from transfers.formats import commitment
from transfers.models import Commitment, Delivery, Instance, Pack, Transfer
from transfers.rules.lifecycle import Access, State

JSON = "application/dicom+json"
CT = "1.2.840.10008.5.1.4.1.1.2"
FAILURE, NO_SUCH, CONFLICT = 0x0110, 0x0112, 0x0119
Members = dict[str, Any]  # Any: DICOM JSON


def value(vr: str, text: str) -> Members:
    return {"vr": vr, "Value": [text]}


def flat(*uids: str, sop_class: str = CT) -> Members:
    items = [{"00081150": value("UI", sop_class), "00081155": value("UI", uid)} for uid in uids]
    return {"00081199": {"vr": "SQ", "Value": items}}


def nested(study: str, series: str, *uids: str) -> Members:
    instances = {"vr": "SQ", "Value": [{"00081155": value("UI", uid)} for uid in uids]}
    classes = {"vr": "SQ", "Value": [{"00081150": value("UI", CT), "0008114A": instances}]}
    one = {"0020000E": value("UI", series), "00081112": classes}
    return {
        "00081110": {"vr": "SQ", "Value": [{"0020000D": value("UI", study), "00081115": {"vr": "SQ", "Value": [one]}}]}
    }


def ask(who: Site, body: object, *, transaction: str = "", root: str = "/dicomweb", **headers: str) -> Reply:
    octets = body if isinstance(body, bytes) else json.dumps(body)
    sent = {"Authorization": who.authorization, **headers}
    path = f"{root}/commitment-requests/{transaction or factories.make_uid()}"
    return Reply.of(Client().post(path, octets, content_type=JSON, headers=sent))


def uids(reply: Reply, tag: str = "00081199") -> list[str]:
    assert reply.status == 200, reply.body
    items = json.loads(reply.body).get(tag, {}).get("Value", [])
    return [item["00081155"]["Value"][0] for item in items]


def reasons(reply: Reply) -> list[int]:
    return [item["00081197"]["Value"][0] for item in json.loads(reply.body)["00081198"]["Value"]]


def test_what_was_sent_is_committed(alice: Site, sent: Sent) -> None:
    reply = ask(alice, flat(*sent.instances), transaction="1.2.3")
    assert uids(reply) == sent.instances
    assert json.loads(reply.body)["00081195"] == value("UI", "1.2.3")
    assert "00081198" not in json.loads(reply.body)


def test_the_answer_says_until_when_and_where(alice: Site, sent: Sent) -> None:
    reply = ask(alice, flat(*sent.instances))
    until = Transfer.objects.get().available_until
    assert f"Committed until {until:%Y-%m-%dT%H:%M:%SZ}" in reply.headers["Warning"]
    (url, *_) = [item["00081190"]["Value"][0] for item in json.loads(reply.body)["00081199"]["Value"]]
    assert f"/dicomweb/transfers/{sent.transfer.pk}/studies/{sent.study}" in url


def test_it_lasts_as_long_as_the_first_that_ends(alice: Site, bob: Site, sent: Sent) -> None:
    other = factories.make_ct()
    transfer = sealing.send([other], sender=alice.organization, to=[bob.organization])
    Transfer.objects.filter(pk=transfer.pk).update(available_until=F("available_until") - timedelta(days=5))
    other_uid = Instance.objects.get(transfer=transfer).sop_instance_uid
    reply = ask(alice, flat(sent.instances[0], other_uid))
    until = Transfer.objects.get(pk=transfer.pk).available_until
    assert f"{until:%Y-%m-%dT%H:%M:%SZ}" in reply.headers["Warning"]


def test_of_several_transfers_the_one_that_stays_longest_counts(alice: Site, bob: Site, sent: Sent) -> None:
    again = sealing.send(sent.files, sender=alice.organization, to=[bob.organization])
    Transfer.objects.filter(pk=again.pk).update(
        available_until=F("available_until") + timedelta(days=5), purge_at=F("purge_at") + timedelta(days=5)
    )
    assert str(again.pk) in ask(alice, flat(*sent.instances)).body.decode()


def test_a_draft_is_committed_for_as_long_as_drafts_are_kept(alice: Site) -> None:
    stored = store(alice, file(factories.make_ct()), root="application/dicom")
    reply = ask(alice, flat(*uids(stored)))
    assert uids(reply) == uids(stored)
    assert f"Committed until {timezone.now() + timedelta(days=30):%Y-%m-%d}" in reply.headers["Warning"]


def test_what_nobody_sent_fails(alice: Site, sent: Sent) -> None:
    unknown = factories.make_uid()
    reply = ask(alice, flat(sent.instances[0], unknown))
    assert uids(reply) == [sent.instances[0]]
    assert (uids(reply, "00081198"), reasons(reply)) == ([unknown], [NO_SUCH])


def test_another_class_fails(alice: Site, sent: Sent) -> None:
    assert reasons(ask(alice, flat(sent.instances[0], sop_class="1.2.840.10008.5.1.4.1.1.4"))) == [CONFLICT]


def test_nothing_committed_has_no_end(alice: Site, sent: Sent) -> None:
    assert "Warning" not in ask(alice, flat(factories.make_uid())).headers


def test_studies_and_series_are_answered_as_they_were_asked(alice: Site, sent: Sent) -> None:
    asked = nested(sent.study, sent.series[0], *sent.instances)
    said = json.loads(ask(alice, asked).body)
    (study,) = said["00081110"]["Value"]
    (series,) = study["00081115"]["Value"]
    (by_class,) = series["00081112"]["Value"]
    assert [item["00081155"]["Value"][0] for item in by_class["0008114A"]["Value"]] == sent.instances[:2]
    (failed,) = said["0008119B"]["Value"][0]["00081115"]["Value"][0]["00081112"]["Value"][0]["0008114A"]["Value"]
    assert (failed["00081155"]["Value"], failed["00081197"]["Value"]) == ([sent.instances[2]], [NO_SUCH])


def test_recipient_may_ask_for_what_it_sees(bob: Site, sent: Sent) -> None:
    assert uids(ask(bob, flat(*sent.instances))) == sent.instances


def test_asking_proves_no_receipt(bob: Site, sent: Sent) -> None:
    ask(bob, flat(*sent.instances))
    assert Delivery.objects.get().progress == "none"


def test_stranger_learns_nothing(charlie: Site, sent: Sent) -> None:
    assert reasons(ask(charlie, flat(*sent.instances))) == [NO_SUCH] * 3


@pytest.mark.parametrize("access", [Access.DECLINED, Access.REVOKED, Access.WAITING])
def test_recipient_without_access_learns_nothing(bob: Site, sent: Sent, access: Access) -> None:
    Delivery.objects.update(access=access)
    assert reasons(ask(bob, flat(*sent.instances))) == [NO_SUCH] * 3


def test_a_key_that_only_stores_may_ask(alice: Site, sent: Sent) -> None:
    key = Site(alice.organization, sealing.caller(alice.organization, "store")[1])
    assert uids(ask(key, flat(*sent.instances))) == sent.instances


@pytest.mark.parametrize("state", [State.CLOSED, State.REJECTED, State.PURGED])
def test_what_is_over_is_committed_no_longer(alice: Site, sent: Sent, state: State) -> None:
    Transfer.objects.update(state=state, wrapped_key=None)
    assert reasons(ask(alice, flat(*sent.instances))) == [NO_SUCH] * 3


def test_what_has_lapsed_by_the_clock_is_committed_no_longer(alice: Site, sent: Sent) -> None:
    sealing.lapse(Transfer.objects.get())
    assert reasons(ask(alice, flat(*sent.instances))) == [NO_SUCH] * 3


def test_what_the_store_has_lost_is_not_committed(alice: Site, sent: Sent) -> None:
    vault.delete(Pack.objects.get().name)
    assert reasons(ask(alice, flat(*sent.instances))) == [FAILURE] * 3


def test_one_transfer_can_be_asked(alice: Site, charlie: Site, sent: Sent) -> None:
    root = f"/dicomweb/transfers/{sent.transfer.pk}"
    assert uids(ask(alice, flat(*sent.instances), root=root)) == sent.instances
    assert ask(charlie, flat(*sent.instances), root=root).status == 404


def test_the_root_that_was_pushed_to_answers_too(alice: Site, sent: Sent) -> None:
    assert uids(ask(alice, flat(*sent.instances), root="/dicomweb/to/general-hospital")) == sent.instances


def test_a_transaction_has_one_answer(alice: Site, sent: Sent) -> None:
    first = ask(alice, flat(*sent.instances), transaction="1.2.3")
    assert ask(alice, flat(sent.instances[0]), transaction="1.2.3").status == 409
    again = alice.get("/dicomweb/commitment-requests/1.2.3", accept=JSON)
    assert (again.status, again.headers["Warning"]) == (200, first.headers["Warning"])
    assert json.loads(again.body) == json.loads(first.body)


def test_a_transaction_is_known_to_its_caller_alone(alice: Site, bob: Site, sent: Sent) -> None:
    ask(alice, flat(*sent.instances), transaction="1.2.3")
    assert bob.get("/dicomweb/commitment-requests/1.2.3").status == 404
    assert ask(bob, flat(*sent.instances), transaction="1.2.3").status == 200


def test_an_answer_is_kept_for_a_week(alice: Site, sent: Sent) -> None:
    ask(alice, flat(*sent.instances), transaction="1.2.3")
    Commitment.objects.update(asked_at=F("asked_at") - jobs.KEEP_COMMITMENTS - timedelta(hours=1))
    assert alice.get("/dicomweb/commitment-requests/1.2.3").status == 404
    assert ask(alice, flat(*sent.instances), transaction="1.2.3").status == 200
    assert Commitment.objects.count() == 1


def test_too_many_requests_are_put_off(alice: Site, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vouching, "MAX_ASKED", 1)
    ask(alice, flat(*sent.instances))
    reply = ask(alice, flat(*sent.instances))
    assert reply.status == 429 and "Retry-After" in reply.headers


def test_it_is_audited(alice: Site, sent: Sent) -> None:
    ask(alice, flat(*sent.instances), transaction="1.2.3")
    event = AuditEvent.objects.get(action="storage.commit")
    assert event.organization_id == alice.organization.pk and event.detail["instances"] == 3


def test_the_answer_comes_in_xml_if_asked(alice: Site, sent: Sent) -> None:
    ask(alice, flat(*sent.instances), transaction="1.2.3")
    in_json = json.loads(alice.get("/dicomweb/commitment-requests/1.2.3", accept=JSON).body)
    in_xml = alice.get("/dicomweb/commitment-requests/1.2.3", accept="application/dicom+xml")
    assert read_xml(ElementTree.fromstring(in_xml.body)) == expected(in_json)
    assert ask(alice, flat(*sent.instances), Accept="text/html").status == 406


def test_who_has_no_key_is_not_answered(alice: Site, sent: Sent) -> None:
    assert ask(Site(alice.organization, ""), flat(*sent.instances)).status == 401


@pytest.mark.parametrize(
    "body",
    [
        b" ",
        b"{",
        b"[" * 10_000,
        [],
        [{}, {}],
        {},
        {"00081199": {"vr": "SQ"}},
        {"00081199": {"vr": "SQ", "Value": "x"}},
        {"00081199": []},
        flat("not a UID"),
        flat("1..2"),
        flat("é"),
        {"00081199": {"vr": "SQ", "Value": [{"00081155": value("UI", "1.2")}]}},
        {**flat("1.2"), **nested("1", "2", "3")},
        nested("1", "2"),
    ],
)
def test_what_is_no_request_is_refused(alice: Site, body: object) -> None:
    reply = ask(alice, body)
    assert reply.status == 400 and json.loads(reply.body)["detail"]


def test_a_data_set_may_come_in_an_array(alice: Site, sent: Sent) -> None:
    assert uids(ask(alice, [flat(*sent.instances)])) == sent.instances


@pytest.mark.parametrize("transaction", ["x", "1..2", "1." * 40])
def test_a_transaction_uid_is_a_uid(alice: Site, sent: Sent, transaction: str) -> None:
    assert ask(alice, flat(*sent.instances), transaction=transaction).status == 400


def test_other_types_are_told_what_to_send(alice: Site) -> None:
    headers = {"Authorization": alice.authorization}
    path = "/dicomweb/commitment-requests/1.2"
    assert Reply.of(Client().post(path, "<x/>", content_type="application/dicom+xml", headers=headers)).status == 415


def test_too_much_at_once_is_refused(alice: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment, "MAX_REFERENCES", 2)
    assert ask(alice, flat("1.1", "1.2", "1.3")).status == 413
    assert ask(alice, b" " * (5 << 20)).status == 413
