"""The OpenAPI description of what all operations share: how callers prove who they are, and what goes wrong."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.serializers import Serializer

from exchange.api import answers

View = TypeVar("View", bound=Callable[..., object])

PROBLEM: Final = "application/problem+json"
_SAID: Final[Mapping[int, str]] = {
    400: "A value is wrong; `errors` names each field and what would be right.",
    401: "No credential, or one that opens nothing.",
    403: "Known to you, but your role does not permit it.",
    404: "There is nothing here that you may see.",
    409: "The present state does not permit it, or the Idempotency-Key came with another request.",
    410: "It is over: lapsed, withdrawn or purged.",
    411: "The body has no Content-Length.",
    412: "It has changed since the revision that If-Match names.",
    413: "A limit is reached; nothing was stored.",
    415: "This media type is not taken here.",
    416: "The range lies outside the archive.",
    429: "Too many requests; Retry-After says when to go on.",
    503: "Try again shortly; Retry-After says when.",
}
IDEMPOTENCY_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Makes a repetition harmless: for 24 hours the same key and body get the same answer.",
)
IF_MATCH: Final = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The ETag you read; 412 if it has changed since."
)


class CallerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself untyped
    """A bearer key or token, or the session of a signed-in person."""

    target_class = "exchange.api.authentication.Caller"
    name = ["bearer", "oauth2", "session"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:  # Any: untyped library, JSON
        return [
            {"type": "http", "scheme": "bearer", "description": "A key, or a token from /oauth/token."},
            {
                "type": "oauth2",
                "description": "Client id and secret are a key's id and the key itself.",
                "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}},
            },
            {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "With X-CSRFToken on changes."},
        ]


def operation(
    name: str,
    summary: str,
    description: str = "",
    *,
    answer: type[Serializer[Any]] | None,
    request: Any = None,  # Any: whatever extend_schema takes
    status: int = 200,
    fails: tuple[int, ...] = (),
    headers: tuple[OpenApiParameter, ...] = (),
    binary: str = "",
    **more: Any,  # Any: as above
) -> Callable[[View], View]:
    """Describe one operation with all its errors; 401 and 429 go without saying.

    Where no description is given the summary stands for it: the docstrings of our views are for who reads the code.
    """
    problems = {
        (code, PROBLEM): OpenApiResponse(answers.Problem, description=_SAID[code])
        for code in sorted({401, 429, *fails})
    }
    good: dict[Any, OpenApiResponse] = {
        status: OpenApiResponse(answer, description="Done.")
    }  # Any: status, or with type
    if binary:
        good = {(status, binary): OpenApiResponse(OpenApiTypes.BINARY, description="The file.")}
    parameters = [*headers, *more.pop("parameters", [])]
    described: Callable[[View], View] = extend_schema(
        operation_id=name,
        summary=summary,
        description=description or f"{summary}.",
        request=request,
        responses={**good, **problems},
        parameters=parameters,
        **more,
    )
    return described
