"""Every route gives every actor in every relation the declared answer, and no route is undeclared."""

import copy
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from django.db import transaction
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.exchange import access_matrix
from tests.exchange.access_matrix import Request, Row
from tests.exchange.world import RELATIONS, World, make_world

pytestmark = pytest.mark.django_db
# Pages that libraries bring along: guarded as a whole, a row stands for all, or tested with signing in.
WHOLE = ("admin:", "admin/", "account_")
# The only part of a page that differs from one showing to the next.
CSRF_TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"')


def routes(patterns: Sequence[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """The full name of every route below the resolver."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            namespace = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from routes(pattern.url_patterns, namespace)
        else:
            yield f"{prefix}{pattern.name or pattern.pattern}"


def test_every_route_is_in_the_matrix() -> None:
    declared = {row.route for row in access_matrix.ROWS}
    undeclared = set(routes(get_resolver().url_patterns)) - declared
    assert {route for route in undeclared if not route.startswith(WHOLE)} == set()


def test_the_matrix_names_no_route_that_is_gone() -> None:
    declared = {row.route for row in access_matrix.ROWS}
    assert declared - set(routes(get_resolver().url_patterns)) == set()


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:  # Any: pytest-django
    """Made once: every request is taken back."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world()
        transaction.set_rollback(True)


@pytest.mark.parametrize("row", access_matrix.ROWS, ids=lambda row: f"{row.method} {row.route}")
def test_everybody_gets_the_declared_answer(world: World, row: Row) -> None:
    wrong = []
    for number, actor in enumerate(world.cast.all()):
        client = actor.client
        client.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"  # so many lookups of links from one address are too many
        # What does not depend on the target is asked once.
        asked = {relation: row.ask(world.targets[relation]) for relation in RELATIONS}
        told = {repr(request): ask(client, row.method, request) for request in unique(asked.values())}
        seen = {relation: told[repr(asked[relation])] for relation in RELATIONS}
        statuses = [status for status, _ in seen.values()]
        expected = [row.expected(actor.name, relation) for relation in RELATIONS]
        if statuses != expected:
            wrong.append(f"{actor.name}: {statuses}, declared {expected}")
        if seen["foreign"] != seen["absent"] and seen["foreign"][0] >= 400:
            wrong.append(f"{actor.name}: can tell what is foreign from what never was")
    assert wrong == []


def unique(requests: Iterable[Request]) -> list[Request]:
    return list({repr(request): request for request in requests}.values())


def ask(client: Client, method: str, request: Request) -> tuple[int, bytes]:
    """Ask, and take back whatever it did, to the database and to the cookies."""
    cookies = copy.deepcopy(client.cookies)
    with transaction.atomic():
        body, headers = encoded(request.body), dict(request.headers)
        response = client.generic(method, request.path, body, content_type=request.media_type, headers=headers)
        answer = response.status_code, body_of(response)
        transaction.set_rollback(True)
    client.cookies = cookies
    return answer


def encoded(body: object) -> bytes | str:
    return body if isinstance(body, bytes) else "" if body is None else json.dumps(body)


def body_of(response: HttpResponseBase) -> bytes:
    body: bytes = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
    return CSRF_TOKEN.sub(b"", body)
