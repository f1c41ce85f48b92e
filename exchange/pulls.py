"""What the holder of a link pulls is counted, by whichever door it leaves (transfers/access/pulling.py).

A place is taken before the first byte, held by a heartbeat while they leave, and counted when the last one has left.
What is less than that, a range or a broken connection, is added up, so that many of them are not free.
"""

import time
from collections.abc import Callable, Iterator
from typing import Final

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from transfers.access import pulling

# Shares are added up as floating-point numbers: all documents of a transfer one by one come to a whole.
_ROUNDING: Final = 1e-9


def counted(
    grant_id: int, *, size: int, respond: Callable[[], HttpResponseBase], of: int | None = None
) -> HttpResponseBase:
    """An answer of `size` bytes or a range of it; raises Gone where the link was used up, and what `respond` raises.

    `of` is the size of the whole where the answer is a part that stands for itself: it counts as that share of a pull.
    """
    lease_id = pulling.reserve_pull(grant_id)
    try:
        response = respond()
    except BaseException:
        pulling.settle_pull(grant_id, lease_id, share=0)
        raise
    if isinstance(response, StreamingHttpResponse):
        span = response.get("Content-Range", "")
        reaches_end = of is None and (not span or span.endswith(f"-{size - 1}/{size}"))
        whole = size if of is None else max(of, size)
        response.streaming_content = _Counted(
            response, grant_id, lease_id, size=whole, reaches_end=reaches_end, is_part=of is not None
        )
    else:
        pulling.settle_pull(grant_id, lease_id, share=0)
    return response


class _Counted:
    """The chunks of a download, with a heartbeat; when they end, or the reader goes away, the pull is settled once."""

    def __init__(
        self,
        response: StreamingHttpResponse,
        grant_id: int,
        lease_id: int,
        *,
        size: int,
        reaches_end: bool,
        is_part: bool,
    ) -> None:
        self._chunks: Iterator[bytes] = iter(response)
        self._grant_id, self._lease_id = grant_id, lease_id
        self._size, self._reaches_end, self._sent = size, reaches_end, 0
        self._is_part = is_part
        self._is_settled = False
        self._beaten_at = time.monotonic()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if time.monotonic() - self._beaten_at > pulling.BEAT_SECONDS:
            self._lease_id = pulling.keep_pull(self._grant_id, self._lease_id)
            self._beaten_at = time.monotonic()
        try:
            chunk = next(self._chunks)
        except StopIteration:
            # Who has the end has all of it: at once, or by going on where it broke off. A range of all but the end is
            # as good, whatever an archive without its directory looks like.
            if self._is_part:
                self._settle(min(1.0, self._sent / self._size + _ROUNDING) if self._size else 0)
            else:
                self._settle(1 if self._reaches_end or 2 * self._sent >= self._size else self._share)
            raise
        self._sent += len(chunk)
        return chunk

    def close(self) -> None:
        self._settle(self._share)

    @property
    def _share(self) -> float:
        return min(self._sent / self._size, pulling.MOST_UNCOUNTED) if self._size else 0

    def _settle(self, share: float) -> None:
        if not self._is_settled:
            self._is_settled = True
            pulling.settle_pull(self._grant_id, self._lease_id, share=share)
