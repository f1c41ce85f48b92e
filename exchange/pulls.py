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

# What was sent, and whether that was all that was asked for, to the share of a pull that it counts as.
Share = Callable[[int, bool], float]


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
        share = _share_of_whole(response, size) if of is None else _share_of_part(max(of, size))
        response.streaming_content = _Counted(response, grant_id, lease_id, share=share)
    else:
        pulling.settle_pull(grant_id, lease_id, share=0)
    return response


def _share_of_whole(response: StreamingHttpResponse, size: int) -> Share:
    """Who has the end has all of it: at once, or by going on where it broke off.

    A range of all but the end is as good, whatever an archive without its directory looks like.
    """
    span = response.get("Content-Range", "")
    reaches_end = not span or span.endswith(f"-{size - 1}/{size}")

    def share(sent: int, is_done: bool) -> float:
        if is_done and (reaches_end or 2 * sent >= size):
            return 1
        return min(sent / size, pulling.MOST_UNCOUNTED) if size else 0

    return share


def _share_of_part(whole: int) -> Share:
    def share(sent: int, is_done: bool) -> float:
        if is_done:
            return min(1.0, sent / whole + _ROUNDING) if whole else 0
        return min(sent / whole, pulling.MOST_UNCOUNTED) if whole else 0

    return share


class _Counted:
    """The chunks of a download, with a heartbeat; when they end, or the reader goes away, the pull is settled once."""

    def __init__(self, response: StreamingHttpResponse, grant_id: int, lease_id: int, *, share: Share) -> None:
        self._chunks: Iterator[bytes] = iter(response)
        self._grant_id, self._lease_id = grant_id, lease_id
        self._share, self._sent = share, 0
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
            self._settle(is_done=True)
            raise
        self._sent += len(chunk)
        return chunk

    def close(self) -> None:
        self._settle(is_done=False)

    def _settle(self, *, is_done: bool) -> None:
        if not self._is_settled:
            self._is_settled = True
            pulling.settle_pull(self._grant_id, self._lease_id, share=self._share(self._sent, is_done))
