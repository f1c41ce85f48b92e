"""Where the pages of the admin are, and how an action is chosen on one; and a job to look at."""

from typing import Any

from django.apps import apps
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from transfers.models import Job

OURS = [model for label in ("accounts", "transfers") for model in apps.get_app_config(label).get_models()]
# Written anew every ten minutes and worthless by themselves.
NOT_SHOWN = {"AccessToken"}


def page(model: type[Any] | Any, name: str, *args: object) -> str:  # Any: a model
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def choose(client: Client, model: Any, action: str, *rows: Any) -> Any:  # Any: models, the test client's response
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(page(model, "changelist"), form, follow=True)


def make_job(state: str, row: str = "1") -> Job:
    now = timezone.now()
    return Job.objects.create(event="notify", row=row, state=state, attempts=16, due_at=now, created_at=now)
