"""Pictures of frames, and of what a presentation state makes of them (DICOM PS3.18 Section 10.4.1.1.3)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from accounts.principals import Principal
from transfers import access, errors, retrieving
from transfers.formats import transcode
from transfers.rendering import opened
from transfers.rendering.opened import Opened
from transfers.retrieving import InstanceItem

MAX_MADE: Final = 256 << 20
# So much is sent to the sandbox at once, so that a failure takes few others with it.
_BATCH: Final = 32 << 20
_MAX_ANIMATED: Final = 128 << 20
_OUT_OF_BOUNDS: Final = "The region lies outside the picture, or the picture would be too large."
PRESENTATION_STATES: Final = frozenset(f"1.2.840.10008.5.1.4.1.1.11.{end}" for end in range(1, 12))


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a picture is wanted (PS3.18 Section 8.3.5).

    `window` is centre, width, function; `viewport` width, height, left, top and the region's width and height, None
    where they are those of the picture. `region` is left, top, right and bottom in fractions of the picture
    (PS3.18 Section 9.5.1.2.5), in place of the viewport's.
    """

    media_type: str = "image/jpeg"
    quality: int = 90
    window: tuple[float, float, str] | None = None
    viewport: tuple[float | None, ...] | None = None
    region: tuple[float, float, float, float] | None = None
    annotations: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        return {
            "media_type": self.media_type,
            "quality": self.quality,
            "window": self.window,
            "viewport": self.viewport,
            "region": self.region,
            "annotations": list(self.annotations),
        }


@dataclass(frozen=True, slots=True)
class Picture:
    item: InstanceItem
    number: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """One frame that could not be shown; the others are."""

    item: InstanceItem
    number: int
    error: errors.ExchangeError


def frame_numbers(item: InstanceItem) -> range:
    """The numbers of the frames that an instance has; raises NotFound where it has no pixels."""
    return range(1, opened.open_instance(item).count + 1)


def pictures_of(
    item: InstanceItem, numbers: Sequence[int], wishes: Wishes, *, state: InstanceItem | None = None
) -> Iterator[Picture | Failure]:
    """Frames by their numbers from 1, each a picture or the reason why not; raises NotFound."""
    made = opened.open_instance(item)
    if numbers[-1] > made.count:
        raise errors.NotFound
    presented = _whole(state) if state is not None else b""
    a_batch = max(1, _BATCH // max(1, made.image.frame_size))
    for first in range(0, len(numbers), a_batch):
        yield from _drawn(made, numbers[first : first + a_batch], wishes, presented)


def animate(item: InstanceItem, wishes: Wishes) -> bytes:
    """All frames of an instance as one GIF; raises NotAcceptable where they are too many or one cannot be shown."""
    made = opened.open_instance(item)
    size = made.image.frame_size * made.count
    if size > _MAX_ANIMATED:
        raise errors.NotAcceptable(opened.TOO_LARGE)
    numbers = range(1, made.count + 1)
    frames = [_frame(made, number) for number in numbers]
    (said, *_), octets = opened.ask(
        made,
        "animate",
        frames,
        size=4 * size,
        max_reply=MAX_MADE,
        numbers=list(numbers),
        wishes=wishes.as_json(),
    )
    if "error" in said:
        raise _error(said["error"])
    return octets


def presented(state: InstanceItem, items: Sequence[InstanceItem]) -> list[tuple[InstanceItem, list[int]]]:
    """The images that a presentation state speaks of, as far as they are here, with their frames; empty for all.

    Reference: PS3.3 Section C.11.11.
    """
    (record,) = retrieving.records([state], base_url="")
    by_uid = {item.sop_instance_uid: item for item in items}
    found: list[tuple[InstanceItem, list[int]]] = []
    for series in _values(json.loads(record), "00081115"):
        for reference in _values(series, "00081140"):
            uid = next(iter(_values(reference, "00081155")), "")
            if uid in by_uid:
                numbers = [number for number in _values(reference, "00081160") if isinstance(number, int)]
                found.append((by_uid[uid], sorted(set(numbers))))
    return found


def stream_pictures(items: Sequence[InstanceItem], wishes: Wishes, *, who: Principal) -> Iterator[Picture | Failure]:
    """Every frame of many instances, recorded as viewed; those that are no images are left out."""
    ledger = retrieving.Ledger("viewed", who=who, road="dicomweb", action="study.view")
    watch = retrieving.Watch()
    try:
        for item in items:
            access.ensure_still_open(item.seen)
            ledger.begin(item.seen)
            try:
                for one in pictures_of(item, frame_numbers(item), wishes):
                    octets = len(one.octets) if isinstance(one, Picture) else 0
                    watch.count(item.seen, octets)
                    yield one
                    ledger.handed([], octets)
                ledger.handed([item], 0)
            except errors.NotFound:
                continue
            except errors.NotAcceptable as error:
                yield Failure(item, 1, error)
        ledger.is_complete = True
    finally:
        ledger.write()


def _drawn(made: Opened, numbers: Sequence[int], wishes: Wishes, state: bytes) -> Iterator[Picture | Failure]:
    size = made.image.frame_size * len(numbers)
    try:
        frames = [_frame(made, number) for number in numbers]
        said, octets = opened.ask(
            made,
            "render",
            frames,
            size=size,
            max_reply=MAX_MADE,
            body=state,
            numbers=list(numbers),
            wishes=wishes.as_json(),
        )
    except (errors.SandboxKilled, errors.NotAcceptable) as error:
        if len(numbers) > 1:  # only the culprit fails
            for number in numbers:
                yield from _drawn(made, [number], wishes, state)
        else:
            yield Failure(made.item, numbers[0], _error(error.sentence))
        return
    at = 0
    for number, one in zip(numbers, said, strict=True):
        if "error" in one:
            yield Failure(made.item, number, _error(one["error"]))
        else:
            yield Picture(made.item, number, octets[at : at + one["size"]])
            at += one["size"]


def _frame(made: Opened, number: int) -> bytes:
    """A frame on whole octets."""
    if made.image.frame_size > transcode.MAX_FRAME:
        raise errors.NotAcceptable(opened.TOO_LARGE)
    octets, bits = made.frame(number)
    if not bits:
        return octets
    # Little Endian bit order: the frame's first bit is moved to the lowest place.
    return (int.from_bytes(octets, "little") >> bits).to_bytes(len(octets), "little")


def _error(said: str) -> errors.ExchangeError:
    if said == "out of bounds":
        return errors.BadRequest(_OUT_OF_BOUNDS)
    return errors.NotAcceptable(opened.TOO_LARGE if said == opened.TOO_LARGE else opened.UNDECODABLE)


def _whole(item: InstanceItem) -> bytes:
    if item.size > opened.MAX_FRONT:
        raise errors.NotAcceptable(opened.TOO_LARGE)
    return b"".join(retrieving.read(item, start=0, stop=item.size))


def _values(item: Any, tag: str) -> list[Any]:  # Any: DICOM JSON
    element = item.get(tag) if isinstance(item, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []
