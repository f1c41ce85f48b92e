"""Every field into which somebody can type, over the API, on the pages and in the admin, and what is planted there.

A new field that takes text is missing here until somebody has decided what becomes of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.test import RequestFactory
from drf_spectacular.generators import SchemaGenerator

from accounts.models import User

# By field: the label of a text that is planted in it (planting.py). It is kept sealed, or not at all.
PLANTED: Final[Mapping[str, str]] = {
    "api Accession-Issuer": "accession issuer",
    "api Accession-Number": "document accession",
    "api Document-Title": "document title",
    "api Idempotency-Key": "idempotency key",
    "api If-Match": "a tag that is none",
    "api accession": "asked accession",
    "api cursor": "a cursor that is none",
    "api department": "a department that is none",
    "api document": "document",
    "api email": "asked e-mail address",
    "api issuer": "asked issuer",
    "api message": "message",
    "api note": "release note",
    "api organization": "an organisation that is none",
    "api patient_id": "asked for",
    "api public_id": "a key that is none",
    "api q": "searched place",
    "api reason": "decline reason",
    "api recipients": "e-mail address",
    "api study_instance_uid": "a study that is none",
    "page message": "message on a page",
    "page note": "note on a page",
    "page partner": "a partner that is none",
    "page pin": "a number that is none",
    "page reason": "reason on a page",
    "page recipients": "e-mail address on a page",
    "page until": "a day that is none",
}
# Names of places, people and keys are plain columns by design (docs/threat-model.md). They are typed by people who
# administer the exchange or their organisation.
PLAIN: Final = frozenset(
    {"api name"}
    | {f"admin Organization {name}" for name in ("name", "address", "oid", "desk_phone", "notify_email")}
    | {f"admin Organization {name}" for name in ("patient_id_issuer", "accession_issuer", "allowed_origins")}
    | {f"admin Department {name}" for name in ("slug", "name", "desk_phone", "notify_email")}
    | {f"admin User {name}" for name in ("email", "name")}
    | {"admin ApiKey name"}
)
# Kept as slow hashes.
PASSWORDS: Final = frozenset({"admin User password1", "admin User password2"})

Schema = Mapping[str, Any]  # Any: a part of an OpenAPI document


def found() -> set[str]:
    return {*_of_api(), *_of_pages(), *_of_admin()}


def _of_api() -> Iterator[str]:
    """Parameters and members of bodies that are text of any kind; those of a list of values or a format are not."""
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    components = document["components"]["schemas"]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    for operation in operations:
        for parameter in operation.get("parameters", []):
            if _is_text(parameter["schema"], components):
                yield f"api {parameter['name']}"
        for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
            if media_type != "application/json":
                yield "api document"
                continue
            for name, member in _resolved(body["schema"], components).get("properties", {}).items():
                if _is_text(member, components):
                    yield f"api {name}"


def _is_text(schema: Schema, components: Schema) -> bool:
    schema = _resolved(schema, components)
    inner = [*schema.get("oneOf", []), *schema.get("allOf", []), *schema.get("properties", {}).values()]
    if "items" in schema:
        inner.append(schema["items"])
    if inner:
        return any(_is_text(one, components) for one in inner)
    return schema.get("type") == "string" and not {"enum", "format", "pattern"} & set(schema)


def _resolved(schema: Schema, components: Schema) -> Schema:
    found: Schema = components[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    return found


def _of_pages() -> Iterator[str]:
    for form in _forms(forms.Form):
        if form.__module__.startswith("exchange."):
            names = [name for name, field in form.base_fields.items() if not _is_closed(field)]
            yield from (f"page {name}" for name in names)


def _is_closed(field: forms.Field) -> bool:
    """A choice among values that the form itself names, a tick or a number."""
    if isinstance(field, forms.ChoiceField):
        choices: Any = field.choices  # Any: whatever kind of list
        return bool(list(choices))
    return isinstance(field, forms.BooleanField | forms.IntegerField)


def _forms(parent: type[forms.Form]) -> Iterator[type[forms.Form]]:
    for form in parent.__subclasses__():
        yield form
        yield from _forms(form)


def _of_admin() -> Iterator[str]:
    request = RequestFactory().get("/")
    request.user = User(pk=1, is_superuser=True, is_staff=True, is_active=True)
    for model, page in admin.site._registry.items():
        shown = [None] if page.has_add_permission(request) else []
        for row in [*shown, *([model()] if page.has_change_permission(request) else [])]:
            form = page.get_form(request, row, change=row is not None)
            texts = [name for name, field in form.base_fields.items() if _is_free(field)]
            yield from (f"admin {model.__name__} {name}" for name in texts)


def _is_free(field: forms.Field) -> bool:
    return isinstance(field, forms.CharField) and not isinstance(field, forms.UUIDField)
