"""Who gets which answer: what is not the caller's and what never was look exactly alike."""

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, User
from tests import factories, sealing
from tests.exchange.dicomweb.conftest import Reply, Sent, Site
from transfers.models import Delivery, Transfer
from transfers.rules.lifecycle import Access, Reason, State

NOWHERE = "6f1d1c1e-0000-4000-8000-000000000000"

BELOW_STUDY = [
    "",
    "/metadata",
    "/series",
    "/instances",
    "/series/{series}",
    "/series/{series}/metadata",
    "/series/{series}/instances",
    "/series/{series}/instances/{instance}",
    "/series/{series}/instances/{instance}/metadata",
    "/series/{series}/instances/{instance}/frames/1",
    "/series/{series}/instances/{instance}/bulkdata/7FE00010",
    "/bulkdata",
    "/pixeldata",
    "/series/{series}/bulkdata",
    "/series/{series}/pixeldata",
    "/series/{series}/instances/{instance}/bulkdata",
    "/series/{series}/instances/{instance}/pixeldata",
]
SEARCHES = ["/studies", "/series", "/instances"]


def paths(root: str, study: str, series: str, instance: str) -> list[str]:
    below = [f"{root}/studies/{study}{path}".format(series=series, instance=instance) for path in BELOW_STUDY]
    return [*(root + path for path in SEARCHES), *below]


def same(reply: Reply) -> tuple[int, bytes, dict[str, str]]:
    return reply.status, reply.body, dict(reply.headers)


def close(transfer: Transfer, reason: Reason) -> None:
    Transfer.objects.filter(pk=transfer.pk).update(state=State.CLOSED, reason=reason, closed_at=timezone.now())


def test_stranger_cannot_tell_what_is_foreign_from_what_never_was(charlie: Site, sent: Sent) -> None:
    absent = [factories.make_uid() for _ in range(3)]
    foreign = paths("/dicomweb", sent.study, sent.series[0], sent.instances[0])
    for there, nowhere in zip(foreign, paths("/dicomweb", *absent), strict=True):
        assert same(charlie.get(there)) == same(charlie.get(nowhere)), there


def test_stranger_cannot_tell_a_foreign_transfer_from_none(charlie: Site, sent: Sent) -> None:
    uids = (sent.study, sent.series[0], sent.instances[0])
    foreign = paths(f"/dicomweb/transfers/{sent.transfer.pk}", *uids)
    for there, nowhere in zip(foreign, paths(f"/dicomweb/transfers/{NOWHERE}", *uids), strict=True):
        reply = charlie.get(there)
        assert (reply.status, same(reply)) == (404, same(charlie.get(nowhere))), there


def test_unknown_path_is_answered_like_an_unknown_study(charlie: Site) -> None:
    assert same(charlie.get("/dicomweb/nonsense")) == same(charlie.get(f"/dicomweb/studies/{factories.make_uid()}"))


@pytest.mark.parametrize("path", ["studies", "studies/1.2", "nonsense", f"transfers/{NOWHERE}/studies"])
def test_anonymous_is_asked_for_a_credential_whatever_the_path(db: None, path: str) -> None:
    reply = Reply.of(Client().get(f"/dicomweb/{path}"))
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="exchange"')


def test_wrong_key_is_told_so(db: None) -> None:
    reply = Reply.of(Client().get("/dicomweb/studies", headers={"Authorization": "Bearer wsk_1_2"}))
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="exchange", error="invalid_token"')


def test_key_that_only_stores_may_not_read(db: None) -> None:
    organization = factories.make_organization()
    _, authorization = sealing.caller(organization, "store")
    reply = Reply.of(Client().get("/dicomweb/studies", headers={"Authorization": authorization}))
    assert (reply.status, reply.headers["Content-Type"]) == (403, "application/problem+json")


def test_lapse_closes_by_the_clock(bob: Site, sent: Sent) -> None:
    sealing.lapse(sent.transfer)
    transfer = f"/dicomweb/transfers/{sent.transfer.pk}"
    assert bob.get(f"{transfer}/studies/{sent.study}").status == 410
    assert bob.get(f"/dicomweb/studies/{sent.study}").status == 410
    assert bob.get("/dicomweb/studies").status == 204


def test_withdrawn_is_gone_for_both_sides(alice: Site, bob: Site, sent: Sent) -> None:
    close(sent.transfer, Reason.WITHDRAWN)
    path = f"/dicomweb/transfers/{sent.transfer.pk}/studies/{sent.study}"
    assert (alice.get(path).status, bob.get(path).status) == (410, 410)


def test_revoked_delivery_sees_nothing(bob: Site, sent: Sent) -> None:
    Delivery.objects.filter(transfer=sent.transfer).update(access=Access.REVOKED)
    assert bob.get(f"/dicomweb/studies/{sent.study}").status == 404


def test_recipient_sees_nothing_before_it_is_available(bob: Site, alice: Site) -> None:
    file = factories.make_ct()
    transfer = sealing.send([file], sender=alice.organization, to=[bob.organization], state=State.HELD)
    path = f"/dicomweb/transfers/{transfer.pk}/studies"
    assert (bob.get(path).status, alice.get(path).status) == (404, 200)


def test_session_reads_but_does_not_store(bob: Site, sent: Sent) -> None:
    user = User.objects.create_user("bob@example.org", "secret")
    Membership.objects.create(user=user, organization=bob.organization, may_receive=True, may_send=True)
    client = Client()
    client.force_login(user)
    assert Reply.of(client.get(f"/dicomweb/studies/{sent.study}")).status == 200
    assert Reply.of(client.post("/dicomweb/studies", b"", content_type="application/dicom")).status == 401


def test_other_methods_are_refused_with_those_there_are(bob: Site) -> None:
    headers = {"Authorization": bob.authorization}
    reply = Reply.of(Client().delete("/dicomweb/studies/1.2", headers=headers))
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")
