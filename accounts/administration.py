"""What all pages of the admin share: they show ids and states, and every change made in them is in the trail.

A binary column is never shown: it holds what is sealed, wrapped or hashed.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import BinaryField, ForeignKey, Model
from django.db.models.query import QuerySet
from django.http import HttpRequest

from accounts import audit, authentication, columns
from accounts.models import Organization, User
from accounts.principals import Principal

if TYPE_CHECKING:  # generic for the type checker alone
    Page = admin.ModelAdmin[Any]  # Any: whichever table it shows
    Choice = forms.ModelChoiceField[Any]  # Any: as above
else:
    Page, Choice = admin.ModelAdmin, forms.ModelChoiceField


class NamedChoice(Choice):
    """A choice among rows by what an operator calls them."""

    def label_from_instance(self, row: Any) -> str:  # Any: whichever model the field points to
        return name_of(row)


class Audited(Page):
    """A table that an operator may change; who changed which fields is recorded, never what they hold."""

    list_per_page = 50
    show_full_result_count = False

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **options: Any
    ) -> Any:  # Any: Django's own signature
        options.setdefault("form_class", NamedChoice)
        return super().formfield_for_foreignkey(db_field, request, **options)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:  # Any: Django's own signature
        _record(request, "add", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:  # Any: Django's own signature
        _record(request, "change", obj, fields=_changed(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Model]) -> Any:  # Any: Django's signature
        for row in queryset:
            _record(request, "delete", row)
        return super().log_deletions(request, queryset)


class ReadOnly(Audited):
    """A table in which only the exchange itself writes."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:  # Any: Django's own signature
        return [columns.shown(field.name) for field in self.opts.fields if not isinstance(field, BinaryField)]

    def get_list_display(self, request: HttpRequest) -> list[Any]:  # Any: paths, and functions that show one
        return [path if hasattr(self, path) else columns.shown(path) for path in map(str, self.list_display)]

    def get_list_select_related(self, request: HttpRequest) -> list[str]:
        """Every table that a column of the list reaches into, so that a page is one query."""
        paths = {path.rpartition("__")[0] for path in map(str, self.list_display) if "__" in path.strip("_")}
        given = self.list_select_related
        return sorted(paths | set(() if isinstance(given, bool) else given))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:  # Any: whichever table
        who = {field.name for field in self.opts.fields} & set(columns.WHO)
        return columns.with_names(super().get_queryset(request), *sorted(who))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # Any: Django's own signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def principal_of(request: HttpRequest) -> Principal:
    """The operator as the trail knows them."""
    who = authentication.principal_of_user(request.user) if isinstance(request.user, User) else None
    assert who is not None
    return who


def name_of(row: Model) -> str:
    """What an operator calls a row."""
    return str(row) if type(row).__str__ is not Model.__str__ else f"{row._meta.verbose_name} {row.pk}"


def _record(request: HttpRequest, verb: str, row: Model, *, fields: Iterable[str] = ()) -> None:
    audit.record(
        principal_of(request),
        f"admin.{verb}",
        organization_id=_organization_of(row),
        subject=f"{row._meta.model_name}:{row.pk}",
        agent="admin",
        detail={"fields": sorted(fields)} if fields else {},
    )


def _organization_of(row: Model) -> int | None:
    if isinstance(row, Organization):
        # A deleted organisation has no trail of its own to be written into.
        return row.pk if Organization.objects.filter(pk=row.pk).exists() else None
    found = getattr(row, "organization_id", None) or getattr(row, "sender_id", None)
    return found if isinstance(found, int) else None


def _changed(message: Any) -> list[str]:  # Any: a text, or a list of what was done as Django describes it
    if not isinstance(message, list):
        return []
    return [name for done in message for name in done.get("changed", {}).get("fields", [])]
