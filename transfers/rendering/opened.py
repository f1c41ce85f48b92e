"""One instance made ready for the sandbox: its header, where its frames lie, the key that opens both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from transfers import errors, retrieving, sandbox
from transfers.formats import deflate, filemeta, transcode
from transfers.formats.frames import EncapsulatedFrames, Frames
from transfers.formats.transcode import Image
from transfers.keys.opened import TransferKey
from transfers.retrieving import InstanceItem

MAX_FRONT: Final = 64 << 20
MODULE: Final = "transfers.sandbox.imaging"
_EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
_SECONDS: Final = 20.0
_BYTES_A_SECOND: Final = 4 << 20

TOO_LARGE: Final = "This is too large to be shown or decoded at once. Retrieve it with transfer-syntax=*."
UNDECODABLE: Final = "The pixels cannot be decoded here. Retrieve the instance with transfer-syntax=*."


@dataclass(frozen=True, slots=True)
class Opened:
    """`front` is the file up to the value of its pixel data; `inflated` holds what follows where it was deflated."""

    item: InstanceItem
    key: TransferKey
    front: bytes
    dataset_offset: int
    pixel_offset: int
    image: Image
    known: Frames | None
    inflated: bytes = b""
    inflated_tail: bytes = b""

    @property
    def syntax(self) -> str:
        return _EXPLICIT_LITTLE if self.item.transfer_syntax_uid in filemeta.DEFLATED else self.item.transfer_syntax_uid

    @property
    def count(self) -> int:
        return self.image.number_of_frames if self.known is None else self.known.count

    def frame(self, number: int) -> tuple[bytes, int]:
        """The octets of a frame, counted from 1, and how many bits at their start are those of another.

        Raises NotFound, NotAcceptable where frames cannot be told apart.
        """
        if not 1 <= number <= self.count:
            raise errors.NotFound
        if self.inflated or self.known is None:
            return self._by_size(number)
        width = retrieving.pixel_width(self.item)
        octets = []
        for one in retrieving.stretches(self.item, self.known, number):
            if one.stop - one.start > transcode.MAX_FRAME:
                raise errors.NotAcceptable(TOO_LARGE)
            octets.append(self._read(one.start, one.stop, width))
        return b"".join(octets), 0

    def tail(self) -> bytes:
        """The elements behind the pixel data, few and rare, as they are stored; raises NotAcceptable."""
        if self.inflated:
            return self.inflated_tail
        if isinstance(self.known, EncapsulatedFrames):  # behind the last fragment stands the delimiter
            start = self.known.offsets[-1] + self.known.lengths[-1] + 8
        else:
            start = (self.item.pixel_start or 0) + (self.item.pixel_length or 0)
        if self.item.size - start > MAX_FRONT:
            raise errors.NotAcceptable(TOO_LARGE)
        return self._read(start, self.item.size, 1) if start < self.item.size else b""

    def _by_size(self, number: int) -> tuple[bytes, int]:
        """Frames of one size, whose bits may share octets (PS3.5 Section 8.1.1)."""
        bits = self.image.rows * self.image.columns * self.image.samples * self.image.bits_allocated
        first, last = (number - 1) * bits, number * bits
        start, stop = first // 8, (last + 7) // 8
        if self.inflated:
            return self.inflated[start:stop], first % 8
        begin, length = self.item.pixel_start, self.item.pixel_length
        if begin is None or length is None or stop > length or stop - start > transcode.MAX_FRAME:
            raise errors.NotAcceptable(UNDECODABLE)
        return self._read(begin + start, begin + stop, retrieving.pixel_width(self.item)), first % 8

    def _read(self, start: int, stop: int, width: int) -> bytes:
        piece = retrieving.Stretch(self.item, start, stop, width, self.item.pixel_start or 0)
        return b"".join(retrieving.read_stretch(piece, key=self.key))


def make_ready() -> None:
    """Have the sandbox that draws started before anybody asks for a picture."""
    sandbox.make_ready(MODULE)


def has_pixels(item: InstanceItem) -> bool:
    """Whether an instance is an image, as far as its row tells: of what is deflated that is not known."""
    return item.pixel_offset is not None or item.transfer_syntax_uid in filemeta.DEFLATED


def open_instance(item: InstanceItem) -> Opened:
    """Read the header of an instance that has pixels.

    Raises NotFound where it has none, NotAcceptable where it is beyond bounds or makes no picture.
    """
    key = retrieving.open_key(item.seen)
    try:
        if item.transfer_syntax_uid in filemeta.DEFLATED:
            return _opened_deflated(item, key)
        if item.pixel_offset is None or item.pixel_start is None:
            raise errors.NotFound
        if item.pixel_start > MAX_FRONT:
            raise errors.NotAcceptable(TOO_LARGE)
        front = b"".join(retrieving.read(item, start=0, stop=item.pixel_start, key=key))
        data = front[item.dataset_offset : item.pixel_offset]
        image = transcode.image_of(data, transfer_syntax_uid=item.transfer_syntax_uid)
        return Opened(item, key, front, item.dataset_offset, item.pixel_offset, image, retrieving.find_frames(item))
    except errors.InstanceRefused:
        raise errors.NotAcceptable(UNDECODABLE) from None


def ask(
    opened: Opened, task: str, frames: Sequence[bytes], *, size: int, max_reply: int, body: bytes = b"", **said: Any
) -> tuple[list[dict[str, Any]], bytes]:  # Any: JSON
    """Have the sandbox do something with frames that will be `size` octets; raises SandboxKilled."""
    header = {
        "task": task,
        "syntax": opened.syntax,
        "front": len(opened.front),
        "pixel_offset": opened.pixel_offset,
        "frames": [len(frame) for frame in frames],
        **said,
    }
    seconds = _SECONDS + size / _BYTES_A_SECOND
    reply = sandbox.call(MODULE, header, b"".join((opened.front, *frames, body)), seconds=seconds, max_reply=max_reply)
    return answers(reply.header, reply.body, count=len(frames)), reply.body


def answers(header: dict[str, Any], body: bytes, *, count: int) -> list[dict[str, Any]]:  # Any: JSON
    """What a child says of each frame, believed no further than its form; an error for all is one for each."""
    said = header.get("pictures")
    if not isinstance(said, list):
        return [{"error": "undecodable"}] * count
    sizes = [one.get("size", 0) if isinstance(one, dict) else -1 for one in said]
    if any(not isinstance(size, int) or size < 0 for size in sizes) or sum(sizes) != len(body):
        raise errors.SandboxKilled
    return said


def _opened_deflated(item: InstanceItem, key: TransferKey) -> Opened:
    """PS3.5 Annex A.5: the whole data set is inflated, for nothing in it has a place of its own."""
    inflater = deflate.Inflater()
    pieces, size = [], 0
    for chunk in retrieving.read(item, start=item.dataset_offset, stop=item.size, key=key):
        for piece in inflater.feed(chunk):
            size += len(piece)
            if size > MAX_FRONT:
                raise errors.NotAcceptable(TOO_LARGE)
            pieces.append(bytes(piece))
    data = b"".join(pieces)
    pixels = transcode.native_pixels(data)
    if pixels is None:
        raise errors.NotFound
    meta = b"".join(retrieving.read(item, start=0, stop=item.dataset_offset, key=key))
    meta = retrieving.with_syntax(meta)
    image = transcode.image_of(data[: pixels.at], transfer_syntax_uid=_EXPLICIT_LITTLE)
    return Opened(
        item,
        key,
        front=meta + data[: pixels.start],
        dataset_offset=len(meta),
        pixel_offset=len(meta) + pixels.at,
        image=image,
        known=None,
        inflated=data[pixels.start : pixels.stop],
        inflated_tail=data[pixels.stop :],
    )
