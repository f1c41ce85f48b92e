"""The OpenAPI document says all there is, with what can go wrong."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver
from rest_framework.views import APIView

from exchange.api import answers, base, documentation, serializers, urls
from tests.exchange.api.requests import said

# Every request asks whether the exchange is in maintenance.
pytestmark = pytest.mark.django_db
HTML_ATTRIBUTE = re.compile(r"<(script|style)[^>]*>(.*?)</\1>|\son[a-z]+=|\sstyle=", re.DOTALL)


@pytest.fixture(scope="module")
def document(django_db_setup: None, django_db_blocker: Any) -> dict[str, Any]:  # Any: pytest-django, JSON
    with django_db_blocker.unblock():
        found: dict[str, Any] = said(
            Client().get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
        )
    return found


def offered() -> set[tuple[str, str]]:
    """Every path and method below /api/, as the views offer them."""
    found = set()
    for pattern in urls.urlpatterns:
        view: type[APIView] = pattern.callback.view_class  # type: ignore[attr-defined]
        if issubclass(view, documentation.SchemaView | documentation.DocsView):
            continue
        path = "/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        methods = {name for name in ("get", "post", "patch", "put", "delete") if hasattr(view, name)}
        found |= {(path, method) for method in methods}
    return found


def test_every_route_is_described_and_nothing_else(document: dict[str, Any]) -> None:
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert described == offered()


def test_every_operation_says_what_goes_wrong(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            failures = {code for code in operation["responses"] if code[0] in "45"}
            wanted = {"401", "429"} | ({"404"} if "{" in path else set()) | ({"400"} if method == "post" else set())
            assert wanted <= failures, (path, method)
            for code in failures:
                assert "application/problem+json" in operation["responses"][code]["content"]


def test_every_operation_is_described_for_its_caller(document: dict[str, Any]) -> None:
    """Not by what our code says to itself."""
    docstrings = {str(kind.__doc__)[:40] for kind in (base.View, APIView, serializers.Strict, answers.Answer)}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            said = operation["description"]
            assert len(said) > len(operation["summary"]) / 2, (path, method)
            assert not any(text in said for text in docstrings), (path, method)


def test_no_body_is_described_by_what_it_inherits(document: dict[str, Any]) -> None:
    said = [body["description"] for body in document["components"]["schemas"].values() if body.get("description")]
    assert len(said) == len(set(said))


def test_changes_of_a_transfer_take_a_revision_and_posts_a_key(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        if not re.fullmatch(r"/api/transfers/\{transfer_id\}/[a-z]+/", path) or "documents" in path or "get" in methods:
            continue
        names = {one["name"] for one in methods["post"]["parameters"]}
        assert {"If-Match", "Idempotency-Key"} <= names, path


def test_no_identifier_of_a_patient_is_asked_for_in_a_url(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            asked = {one["name"].lower() for one in operation.get("parameters", []) if one["in"] in ("query", "path")}
            assert not {name for name in asked if "patient" in name or "accession" in name or "title" in name}


def test_the_page_has_nothing_inline(client: Any) -> None:
    page = client.get("/api/docs/")
    assert page.status_code == 200
    inline = [found for found in HTML_ATTRIBUTE.finditer(page.content.decode()) if (found[2] or found[1] is None)]
    assert inline == []


def test_the_script_of_the_page_is_javascript(client: Any) -> None:
    script = client.get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert "/api/schema/" in script.content.decode()


def test_the_routes_are_below_api() -> None:
    assert any(str(one.pattern) == "api/" for one in get_resolver().url_patterns)
