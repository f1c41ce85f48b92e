"""The site of the admin: its index in the order of an operator's work, what is of the inside at the end."""

from typing import Any, Final

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse

_INSIDE: Final = "Inside: for finding faults"
_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "Who: in this order": ("Organization", "Department", "User", "Membership", "Partnership", "ApiKey"),
    "On its way": ("Transfer", "Delivery", "Grant", "Document", "Finding"),
    "What needs a look": ("Job", "Notification", "Switch"),
    "What stays": ("Disclosure", "Tombstone", "Destruction", "AuditEvent"),
}


class Site(AdminSite):
    site_header = "Waystation: operation"
    site_title = "Waystation"
    index_title = "Operation"
    enable_nav_sidebar = False  # the index says the same, and wide tables need the room

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:  # Any: as Django has it
        """Groups instead of apps; the page of one app stays as Django makes it."""
        apps: list[Any] = super().get_app_list(request, app_label)  # Any: as above
        if app_label is not None:
            return apps
        rest = {model["object_name"]: model for app in apps for model in app["models"]}
        groups = {name: [rest.pop(one) for one in names if one in rest] for name, names in _GROUPS.items()}
        groups[_INSIDE] = list(rest.values())
        return [_group(number, name, models) for number, (name, models) in enumerate(groups.items()) if models]


def _group(number: int, name: str, models: list[Any]) -> dict[str, Any]:  # Any: as Django has it
    return {
        "name": name,
        "app_label": f"group-{number}",
        "app_url": reverse("admin:index"),
        "has_module_perms": True,
        "models": models,
    }
