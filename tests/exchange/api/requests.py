"""Short forms of what every test of the API does."""

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.actors import Actor

if TYPE_CHECKING:  # the stubs alone name what the test client answers
    from django.test.client import _MonkeyPatchedWSGIResponse as Response


def post(actor: Actor, path: str, body: Any = None, **headers: str) -> "Response":  # Any: JSON
    """POST JSON to a path below /api/; headers by name with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return actor.client.post(f"/api/{path}", body or {}, content_type="application/json", headers=named)


def patch(actor: Actor, path: str, body: Any, **headers: str) -> "Response":  # Any: JSON
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return actor.client.patch(f"/api/{path}", body, content_type="application/json", headers=named)


def get(actor: Actor, path: str, **headers: str) -> "Response":
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return actor.client.get(f"/api/{path}", headers=named)


def act(actor: Actor, transfer_id: UUID | str, name: str, body: Any = None, **headers: str) -> "Response":
    return post(actor, f"transfers/{transfer_id}/{name}/", body, **headers)


def said(response: "Response") -> Any:  # Any: JSON
    return json.loads(response.content)
