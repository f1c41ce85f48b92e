"""What the holder of a link pulls is counted, by whichever door it leaves (transfers/access/pulling.py).

A place is taken before the first byte, held by a heartbeat while they leave, and counted when the last one has left.
"""

import time
from collections.abc import Callable, Iterator

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from transfers.access import pulling


def counted(grant_id: int, *, size: int, respond: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """An answer of `size` bytes or a range of it; raises Gone where the link was used up, and what `respond` raises."""
    lease_id = pulling.reserve_pull(grant_id)
    try:
        response = respond()
    except BaseException:
        pulling.settle_pull(grant_id, lease_id, is_complete=False)
        raise
    if isinstance(response, StreamingHttpResponse):
        # An archive without its end, the directory, opens nowhere: who gets the end has got it.
        span = response.get("Content-Range", "")
        reaches_end = not span or span.endswith(f"-{size - 1}/{size}")
        response.streaming_content = _Counted(response, grant_id, lease_id, reaches_end=reaches_end)
    else:
        pulling.settle_pull(grant_id, lease_id, is_complete=False)
    return response


class _Counted:
    """The chunks of a download, with a heartbeat; when they end, or the reader goes away, the pull is settled once."""

    def __init__(self, response: StreamingHttpResponse, grant_id: int, lease_id: int, *, reaches_end: bool) -> None:
        self._chunks: Iterator[bytes] = iter(response)
        self._grant_id, self._lease_id, self._reaches_end = grant_id, lease_id, reaches_end
        self._is_settled = False
        self._beaten_at = time.monotonic()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if time.monotonic() - self._beaten_at > pulling.BEAT_SECONDS:
            self._lease_id = pulling.keep_pull(self._grant_id, self._lease_id)
            self._beaten_at = time.monotonic()
        try:
            return next(self._chunks)
        except StopIteration:
            self._settle(is_complete=self._reaches_end)
            raise

    def close(self) -> None:
        self._settle(is_complete=False)

    def _settle(self, *, is_complete: bool) -> None:
        if not self._is_settled:
            self._is_settled = True
            pulling.settle_pull(self._grant_id, self._lease_id, is_complete=is_complete)
