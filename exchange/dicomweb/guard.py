"""Before every answer over DICOMweb: who is calling, below which root, by which method.

Nothing is looked up before the caller is known. An error becomes an answer here and nowhere else, so that what is
not the caller's and what never was are answered by the very same bytes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from accounts import authentication
from accounts.principals import Principal
from exchange import problems
from transfers import access, errors, retrieving
from transfers.access import Sight


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
    return authentication.authenticate_bearer(header)


def require_caller(request: HttpRequest) -> Principal:
    """The caller of a reading request, by key or by the session of a signed-in person."""
    who = authentication.authenticate(request)
    if who is None:
        raise problems.Unauthenticated
    return who


def reading(view: View) -> Handler:
    """A view that reads: it gets the root it lies under, and answers GET and HEAD."""

    def guarded(request: HttpRequest, *, transfer_id: UUID | None = None, **names: str) -> HttpResponseBase:
        try:
            return view(request, _root(require_caller(request), transfer_id), **names)
        except Exception as error:
            return problems.problem(error, request)

    return guarded


def by_method(**handlers: Handler) -> Handler:
    """One resource, several methods; any other is refused once the caller is known."""
    allowed = ", ".join(sorted({*handlers, *(["HEAD"] if "GET" in handlers else []), "OPTIONS"}))

    @csrf_exempt
    def dispatch(request: HttpRequest, **names: str) -> HttpResponseBase:
        method = "GET" if request.method == "HEAD" else request.method or ""
        if handler := handlers.get(method):
            return handler(request, **names)
        try:
            require_bearer(request)
            if method != "OPTIONS":
                raise problems.MethodNotAllowed(allowed)
        except Exception as error:
            return problems.problem(error, request)
        return HttpResponse(status=204, headers={"Allow": allowed})

    return dispatch


def nowhere(request: HttpRequest, root: Root, **names: str) -> HttpResponseBase:
    """A path below the root that is no resource."""
    raise errors.NotFound


def _root(who: Principal, transfer_id: UUID | None) -> Root:
    base = f"{settings.PUBLIC_URL}/dicomweb"
    if transfer_id is not None:
        base += f"/transfers/{transfer_id}"
    elif who.kind != "link" and not any("read" in place.scopes for place in who.places) and who.user_id is None:
        raise errors.Forbidden("This credential has no right to read. Ask your administrator for one that has.")
    return Root(who=who, base_url=base, transfer_id=transfer_id)
