"""JSON bodies, bounded: what a caller sends to the API is small."""

import io
from collections.abc import Mapping
from typing import IO, Any, Final

from rest_framework import parsers

from exchange import bodies
from transfers import errors

MAX_BODY: Final = 256 * 1024


class BoundedJSONParser(parsers.JSONParser):
    """Reads at most MAX_BODY bytes, whatever the Content-Length says."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,  # Any: what DRF hands on
    ) -> Any:  # Any: JSON
        if parser_context is not None:
            bodies.ensure_plain(parser_context["request"])
        raw = stream.read(MAX_BODY + 1)
        if len(raw) > MAX_BODY:
            raise errors.QuotaExceeded("A request of this API has at most 256 KiB.")
        try:
            return super().parse(io.BytesIO(raw), media_type, parser_context)
        except RecursionError:
            raise errors.BadRequest("The JSON is nested too deeply. No request of this API needs that.") from None
