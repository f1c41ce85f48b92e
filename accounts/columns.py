"""What the read-only pages of the admin call a column, and how they say what is in it.

The words stand here and not on the models: there they would be migrations of tables that do not change.
"""

from collections.abc import Callable
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.utils import display_for_value
from django.db.models import BigIntegerField, Case, F, Model, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat, Substr
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from accounts.models import ApiKey, Department, Organization, User

_NOTHING: Final = "-"
LABELS: Final = {
    "agent": "By way of",
    "audience": "To",
    "bound_to": "Limited to",
    "byte_count": "Bytes",
    "crc32": "CRC-32",
    "day_key_id": "Day key",
    "delivery__transfer__reference": "Transfer",
    "department__slug": "Department",
    "due_at": "Due",
    "frame_count": "Frames",
    "grant": "Link",
    "id": "ID",
    "instance_count": "Images",
    "max_attempts": "Attempts at most",
    "message_id": "Message-ID",
    "organization": "Organisation",
    "organization__address": "Organisation",
    "outcome": "End of the day key",
    "patient_id_issuer": "Issuer of patient IDs",
    "principal": "Who",
    "public_id": "Key ID",
    "pulled_instances": "Pulled",
    "rejected_by": "Rejected by note",
    "road": "By",
    "row": "About",
    "scopes": "May",
    "sender__address": "Sender",
    "series_count": "Series",
    "series_instance_uid": "Series Instance UID",
    "sop_class_uid": "SOP Class UID",
    "sop_instance_uid": "SOP Instance UID",
    "study__study_instance_uid": "Study Instance UID",
    "study_count": "Studies",
    "study_instance_uid": "Study Instance UID",
    "tail_crc32": "CRC-32 of what follows the pixels",
    "transaction_uid": "Transaction UID",
    "transfer__reference": "Transfer",
    "transfer_id": "Transfer ID",
    "transfer_syntax_uid": "Transfer Syntax UID",
    "user__email": "Person",
    "wrap_removed_at": "Key removed",
}
# "who" as the trail and the register keep it, such as `user:12`: the model, its column, and what people call a row.
_NAMED: Final[tuple[tuple[str, type[Model], str, Combinable], ...]] = (
    ("user", User, "pk", F("email")),
    ("key", ApiKey, "public_id", F("name")),
    ("organization", Organization, "pk", F("name")),
    ("department", Department, "pk", Concat("organization__address", Value("."), "slug")),
)
# What was destroyed at once is the transfer's key; the key of its day follows when that day is over.
_OUTCOMES: Final = {"scheduled": "scheduled, when its day is over"}


def with_names(rows: QuerySet[Any], *columns: str) -> QuerySet[Any]:  # Any: rows of any table
    """Each "who" of these columns with its name beside it, looked up by the one query that reads the rows."""
    named: QuerySet[Any] = rows.annotate(**{f"{column}_name": _name_of(column) for column in columns})  # Any: as above
    return named


def shown(path: str) -> Callable[[Any], Any] | str:  # Any: a row, and what stands in a column
    """The column at this path under its own label, or the path itself if Django says it well."""
    words = _WORDS.get(path)
    if path not in LABELS and words is None and path not in WHO:
        return path

    @admin.display(description=LABELS.get(path, path.replace("_", " ")), ordering=path)
    def show(row: Any) -> Any:  # Any: as above
        value = row
        for part in path.split("__"):
            value = getattr(value, part, None)
        name = getattr(row, f"{path}_name", "")
        if value is None or value == "":
            return _NOTHING
        if name:
            return f"{value} ({name})"
        return words(value) if words is not None else display_for_value(_linked(value), _NOTHING)

    show.__name__ = path
    return show


# What stands behind the colon of an event only keeps it apart from the next of its kind.
_WORDS: Final[dict[str, Callable[[Any], Any]]] = {  # Any: what a row holds, and what is shown
    "event": lambda value: value.partition(":")[0],
    "outcome": lambda value: _OUTCOMES.get(value, value),
    "scopes": ", ".join,
}
# Columns that hold a "who".
WHO: Final = ("principal", "recipient", "subject", "released_by", "proven_by")


def _linked(value: Any) -> Any:  # Any: what stands in a column
    """A row of another table with a link to its page."""
    if not isinstance(value, Model):
        return value
    try:
        path = reverse(f"admin:{value._meta.app_label}_{value._meta.model_name}_change", args=[value.pk])
    except NoReverseMatch:
        return value
    return format_html('<a href="{}">{}</a>', path, value)


def _name_of(column: str) -> Case:
    return Case(*(_when(column, *named) for named in _NAMED), default=Value(""))


def _when(column: str, kind: str, model: type[Model], key: str, name: Combinable) -> When:
    ident: Combinable = Substr(OuterRef(column), len(kind) + 2)
    pattern = rf"^{kind}:[0-9a-f]{{1,24}}$"
    if key == "pk":
        pattern, ident = rf"^{kind}:[0-9]{{1,18}}$", Cast(ident, BigIntegerField())
    rows = model._default_manager.filter(**{key: ident}).values_list(name)[:1]
    return When(Q(**{f"{column}__regex": pattern}), then=Subquery(rows))
