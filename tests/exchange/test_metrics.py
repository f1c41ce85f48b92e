"""/metrics: what waits, lives, is held and moves; for this machine, or with the token."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from tests import factories
from transfers.expiring import braking, sweeping
from transfers.models import Job, Lease, Notification, Switch
from transfers.rules.lifecycle import State

pytestmark = pytest.mark.django_db


def scrape() -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels."""
    families = text_string_to_metric_families(Client().get("/metrics").content.decode())
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


def outside() -> Client:
    """A browser on another machine."""
    client = Client()
    client.defaults["REMOTE_ADDR"] = "192.0.2.1"
    return client


def make_job(state: str, *, late: timedelta = timedelta(0)) -> None:
    now = timezone.now()
    Job.objects.create(event="notify", row=state, state=state, due_at=now - late, created_at=now)


def test_jobs_are_counted_by_state_and_the_late_one_timed() -> None:
    make_job("waiting", late=timedelta(minutes=5))
    make_job("dead")
    found = scrape()
    assert found["exchange_jobs", "notify", "waiting"] == found["exchange_jobs", "notify", "dead"] == 1
    assert 290 < found["exchange_job_lag_seconds", "notify"] < 330


def test_a_job_for_later_is_not_late() -> None:
    make_job("waiting", late=timedelta(minutes=-5))
    assert ("exchange_job_lag_seconds", "notify") not in scrape()


def test_transfers_are_counted_and_their_bytes_summed() -> None:
    sender = factories.make_organization("st-elsewhere")
    factories.make_transfer(sender, state=State.AVAILABLE, stored_bytes=1000)
    factories.make_transfer(sender, state=State.HELD, reason="findings", stored_bytes=500)
    factories.make_organization("silent-site")
    found = scrape()
    assert found["exchange_transfers", "", "available"] == 1
    assert found["exchange_transfers", "findings", "held"] == 1
    assert found["exchange_held_bytes", "st-elsewhere"] == 1500
    assert found["exchange_held_bytes", "silent-site"] == 0


def test_what_is_overdue_for_destruction_is_seen() -> None:
    past = timezone.now() - timedelta(hours=1)
    factories.make_transfer(state=State.CLOSED, reason="lapsed", available_until=past, purge_at=past)
    assert scrape()["exchange_purge_due",] == 1


def test_only_leases_with_a_pulse_are_in_flight() -> None:
    now, transfer = timezone.now(), factories.make_transfer()
    for beat in (now, now - timedelta(minutes=5)):
        Lease.objects.create(transfer=transfer, kind="push", principal="key:1", started_at=now, heartbeat_at=beat)
    found = scrape()
    assert (found["exchange_in_flight", "push"], found["exchange_in_flight", "pull"]) == (1, 0)


def test_switches_and_mails_are_seen() -> None:
    Switch.objects.create(name="maintenance", is_on=True)
    Notification.objects.create(
        event="alarm", audience="operator", message_id="<1>", state="failed", created_at=timezone.now()
    )
    found = scrape()
    assert found["exchange_switch", "maintenance"] == 1
    assert found["exchange_notices", "failed"] == 1


def test_a_node_that_purges_as_it_should_has_no_switch_on() -> None:
    braking.may_purge(braking.Load(due=0, existing=0))
    braking.start_late()
    assert Switch.objects.filter(is_on=True).exists()  # its heartbeat: a note to itself, and no alarm
    switches = {key[1]: value for key, value in scrape().items() if key[0] == "exchange_switch"}
    names = (braking.BRAKE, braking.STORAGE_BRAKE, sweeping.MISSING, braking.HOLD, braking.MAINTENANCE)
    assert switches == dict.fromkeys(names, 0)


def test_a_backup_is_seen_until_its_hold_is_over() -> None:
    braking.hold("A backup.")
    assert scrape()["exchange_switch", "purge-hold"] == 1
    Switch.objects.update(since=timezone.now() - 2 * braking.LONGEST_HOLD)
    assert scrape()["exchange_switch", "purge-hold"] == 0


def test_the_process_tells_of_itself() -> None:
    assert scrape()["process_resident_memory_bytes",] > 1_000_000


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_only_read(method: str) -> None:
    assert getattr(Client(), method)("/metrics").status_code == 405


def test_another_machine_needs_the_token(settings: Settings) -> None:
    settings.METRICS_TOKEN = "scrape-me"
    refused = outside().get("/metrics")
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
    assert outside().get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert outside().get("/metrics", headers={"Authorization": "Bearer scrape-me"}).status_code == 200


@pytest.mark.parametrize("header", ["Bearer ", "Bearer", "", "Basic eA=="])
def test_without_a_token_set_none_is_right(settings: Settings, header: str) -> None:
    settings.METRICS_TOKEN = ""
    assert outside().get("/metrics", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
def test_a_proxy_on_this_machine_is_not_this_machine(name: str) -> None:
    assert Client().get("/metrics", headers={name: "203.0.113.9"}).status_code == 401
