"""Before every answer over DICOMweb: who is calling, below which root, by which method.

Nothing is looked up before the caller is known. An error becomes an answer here and nowhere else, so that what is
not the caller's and what never was are answered by the very same bytes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from accounts.principals import Principal
from exchange import callers, passes, problems
from exchange.dicomweb import cors
from transfers import access, errors, retrieving
from transfers.access import Sight

_CALLER: Final = "exchange.caller"


@dataclass(slots=True)
class Answering:
    """Holds the response of a block under `answering`, whichever way the block ends."""

    response: HttpResponse


@dataclass(frozen=True, slots=True)
class Root:
    """What a URL lies under: all the caller's open deliveries, or one transfer; `base_url` has no slash at its end."""

    who: Principal
    base_url: str
    transfer_id: UUID | None

    def sights(self, study_instance_uid: str = "") -> list[Sight]:
        """What the caller may see here, narrowed to those that hold a study if one is named."""
        if self.transfer_id is not None:
            return [access.sight(self.who, self.transfer_id)]
        if study_instance_uid:
            return retrieving.sights_of(self.who, study_instance_uid=study_instance_uid)
        return access.sights(self.who)


# Called with the request, the root and the names of the URL.
View = Callable[..., HttpResponseBase]
Handler = Callable[..., HttpResponseBase]


@contextmanager
def answering(request: HttpRequest) -> Iterator[Answering]:
    """Turn whatever the block raises into its answer (exchange/problems.py)."""
    answer = Answering(HttpResponse(status=500))
    try:
        yield answer
    except Exception as error:
        answer.response = problems.problem(error, request)


def require_bearer(request: HttpRequest) -> Principal:
    """The caller by its key or token; a session's cookie changes nothing over DICOMweb."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if not header:
        raise problems.Unauthenticated
    return _remembered(request, callers.authenticate_bearer(request, header))


def require_caller(request: HttpRequest) -> Principal:
    """The caller of a reading request, by key or by the session of a signed-in person."""
    who = callers.authenticate(request)
    if who is None:
        raise problems.Unauthenticated
    return _remembered(request, who)


def require_anyone(request: HttpRequest, *, grant_id: int | None) -> Principal:
    """Whoever may read below a root: below a link its holder alone, whatever else the request brings along.

    Without the second factor a link that is there and one that never was are answered alike.
    """
    return require_caller(request) if grant_id is None else _behind_link(request, grant_id)[0]


def base_url(*, transfer_id: UUID | None = None, address: str = "", grant_id: int | None = None) -> str:
    """The root that a URL lies under, without a slash at its end."""
    if grant_id is not None:
        return f"{settings.PUBLIC_URL}/g/{grant_id}/dicomweb"
    below = f"/transfers/{transfer_id}" if transfer_id is not None else f"/to/{address}" if address else ""
    return f"{settings.PUBLIC_URL}/dicomweb{below}"


class Reading:
    """A view that reads: it gets the root it lies under, and answers GET and HEAD."""

    def __init__(self, view: View) -> None:
        self.view = view

    def __call__(
        self,
        request: HttpRequest,
        *,
        transfer_id: UUID | None = None,
        address: str = "",
        grant_id: int | None = None,
        **names: str,
    ) -> HttpResponseBase:
        try:
            if grant_id is None:
                return self.view(request, _root(require_caller(request), transfer_id), **names)
            who, behind = _behind_link(request, grant_id)
            response = self.view(request, Root(who, base_url(grant_id=grant_id), behind), **names)
        except Exception as error:
            return problems.problem(error, request)
        passes.give(response, grant_id, since=passes.since(request, grant_id))
        return response


class ByMethod:
    """One resource, several methods; any other is refused once the caller is known."""

    csrf_exempt = True  # what changes anything asks for a key, whatever cookies there are

    def __init__(self, **handlers: Handler) -> None:
        self.handlers = handlers
        self.allowed = ", ".join(sorted({*handlers, *(["HEAD"] if "GET" in handlers else []), "OPTIONS"}))

    def __call__(self, request: HttpRequest, **names: Any) -> HttpResponseBase:  # Any: the names of a URL
        if cors.is_preflight(request) and "grant_id" not in names:
            return cors.preflight(request, allowed=self.allowed)
        return cors.expose(request, self._answer(request, names), who=request.META.get(_CALLER))

    def _answer(self, request: HttpRequest, names: Mapping[str, Any]) -> HttpResponseBase:  # Any: as above
        method = "GET" if request.method == "HEAD" else request.method or ""
        handler = self.handlers.get(method)
        response = handler(request, **names) if handler else self._other(request, method, names)
        if method == "OPTIONS" and response.status_code < 300:
            response["Allow"] = self.allowed
        return response

    def _other(self, request: HttpRequest, method: str, names: Mapping[str, Any]) -> HttpResponseBase:  # Any: as above
        is_reader_known = method == "OPTIONS" or "grant_id" in names
        try:
            if is_reader_known:
                require_anyone(request, grant_id=names.get("grant_id"))
            else:
                require_bearer(request)
            if method != "OPTIONS":
                raise problems.MethodNotAllowed(self.allowed)
        except Exception as error:
            return problems.problem(error, request)
        return HttpResponse(status=204)


def nowhere(request: HttpRequest, root: Root, **names: str) -> HttpResponseBase:
    """A path below the root that is no resource."""
    raise errors.NotFound


def _remembered(request: HttpRequest, who: Principal) -> Principal:
    """The same caller, kept for what is decided once the answer is there."""
    request.META[_CALLER] = who
    return who


def _behind_link(request: HttpRequest, grant_id: int) -> tuple[Principal, UUID]:
    """The holder of a link, who has given its second factor in this browser, and the transfer behind it."""
    if passes.since(request, grant_id) is None:
        raise problems.FactorMissing
    try:
        return access.holder_of(grant_id)
    except errors.NotFound:
        raise problems.FactorMissing from None


def _root(who: Principal, transfer_id: UUID | None) -> Root:
    is_reader = who.kind == "link" or who.user_id is not None or any("read" in place.scopes for place in who.places)
    if transfer_id is None and not is_reader:
        raise errors.Forbidden("This credential has no right to read. Ask your administrator for one that has.")
    return Root(who=who, base_url=base_url(transfer_id=transfer_id), transfer_id=transfer_id)
