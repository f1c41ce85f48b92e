"""A form that is sent twice acts once: a reload repeats a POST, and a second PIN would kill the first in silence.

Each showing of a page gives its forms a number of their own. It is claimed in the transaction of the act, together
with what was typed: other words in the same form, after going back in the browser, are another request.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from typing import Final

from django.http import QueryDict

from accounts.principals import Principal
from transfers import addressing

FIELD: Final = "once"
_NO_WORDS: Final = frozenset({"csrfmiddlewaretoken"})


class Repeated(Exception):
    """This very form was sent before, and did what it says."""


def new_number() -> str:
    return secrets.token_urlsafe(16)


def perform(who: Principal, what: str, form: QueryDict, act: Callable[[], object]) -> object:
    """Act and give what it gives; raises Repeated where this form of this page did so already.

    A form without a number, which no page of ours sends, acts each time.
    """
    given: list[object] = []

    def once() -> addressing.Answer:
        given.append(act())
        return addressing.Answer(303, b"")  # what it gives may be a PIN, and is kept nowhere

    key = _key(what, form) if form.get(FIELD) else ""
    addressing.once(who, key, request=key.encode(), act=once)
    if not given:
        raise Repeated
    return given[0]


def _key(what: str, form: QueryDict) -> str:
    words = sorted((name, values) for name, values in form.lists() if name not in _NO_WORDS)
    return hashlib.sha256(json.dumps([what, words]).encode()).hexdigest()
