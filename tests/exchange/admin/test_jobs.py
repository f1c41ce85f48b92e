"""The admin: dead jobs are tried again."""

import pytest
from django.test import Client

from accounts.models import AuditEvent
from tests.exchange.admin.pages import choose, make_job
from transfers.models import Job


def test_a_dead_job_is_tried_again(operator: Client) -> None:
    job = make_job("dead")
    choose(operator, Job, "retry", job)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("waiting", 0)
    event = AuditEvent.objects.get(action="admin.change")
    assert (event.subject, event.detail) == (f"job:{job.pk}", {"fields": ["state"]})


@pytest.mark.parametrize("state", ["done", "running", "waiting"])
def test_a_job_that_is_not_dead_is_left(operator: Client, state: str) -> None:
    job = make_job(state)
    response = choose(operator, Job, "retry", job)
    assert "1 were left" in response.content.decode()
    job.refresh_from_db()
    assert (job.state, job.attempts) == (state, 16)


def test_a_dead_job_whose_work_waits_already_is_left(operator: Client) -> None:
    dead, waiting = make_job("dead"), make_job("waiting")
    choose(operator, Job, "retry", dead)
    dead.refresh_from_db()
    assert dead.state == "dead"
    assert Job.objects.get(pk=waiting.pk).state == "waiting"
