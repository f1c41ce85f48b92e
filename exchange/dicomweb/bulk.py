"""Retrieve: bulk data by their URI, all of a study, series or instance, or its pixel data (PS3.18 Section 10.4.1.1.5).

A value that is stored uncompressed is one part; compressed pixel data are one part a frame as they are stored, or one
part when decoded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from exchange import handover
from exchange.dicomweb import negotiation, responses
from exchange.dicomweb.guard import Root
from exchange.dicomweb.responses import Part
from transfers import errors, rendering, retrieving
from transfers.formats import filemeta
from transfers.formats.mediatypes import MediaType
from transfers.retrieving import InstanceItem, Piece, Target

MAX_PARTS: Final = 100_000
_PIXEL_DATA: Final = "7FE00010"
_TOO_MANY: Final = "This has too many bulk data for one answer. Ask for a series, or an instance."


def bulkdata(
    request: HttpRequest, root: Root, *, study: str, series: str, instance: str, path: str
) -> HttpResponseBase:
    """The value that metadata names by a BulkDataURI."""
    (item,) = _select(root, Target(study, series, instance))
    if path.upper() == _PIXEL_DATA and _is_compressed(item):
        return _compressed(request, root, item, f"{root.base_url}{item.path}/bulkdata/{path}")
    (pieces,) = retrieving.bulk_pieces(item, [path], retrieving.Budget())
    choice = negotiation.choose(request, [negotiation.multipart_of(negotiation.OCTETS), _SINGLE])
    part = Part(negotiation.OCTETS, f"{root.base_url}{item.path}/bulkdata/{path}", pieces)
    return respond_viewed(request, root, [item], choice=choice, parts=[part])


def everything(
    request: HttpRequest, root: Root, *, study: str, series: str = "", instance: str = ""
) -> HttpResponseBase:
    """Every value that metadata name by a BulkDataURI (PS3.18 Table 10.4.1-1)."""
    items = _select(root, Target(study, series, instance))
    choice = negotiation.choose(request, [negotiation.multipart_of(negotiation.OCTETS)])
    return respond_all(request, root, items, choice=choice)


def pixeldata(
    request: HttpRequest, root: Root, *, study: str, series: str = "", instance: str = ""
) -> HttpResponseBase:
    """The pixel data alone (PS3.18 Table 10.4.1-1); in the type of a compression where all share one."""
    items = _select(root, Target(study, series, instance))
    syntaxes = {item.transfer_syntax_uid for item in items if _is_compressed(item)}
    if len(syntaxes) == 1 and all(map(_is_compressed, items)):
        choice = negotiation.choose_frames(request, syntaxes.pop(), is_single=False)
    else:
        choice = negotiation.choose(request, [negotiation.multipart_of(negotiation.OCTETS)])
    parts = _parts_of(items, root, choice, only=retrieving.PIXELS)
    return respond_viewed(request, root, items, choice=choice, parts=parts)


def respond_all(
    request: HttpRequest, root: Root, items: Sequence[InstanceItem], *, choice: negotiation.Choice
) -> HttpResponseBase:
    """The bulk data of instances as octets; raises NotFound where they have none."""
    return respond_viewed(request, root, items, choice=choice, parts=_parts_of(items, root, choice))


def respond_viewed(
    request: HttpRequest,
    root: Root,
    items: Sequence[InstanceItem],
    *,
    choice: negotiation.Choice,
    parts: Sequence[Part],
) -> HttpResponseBase:
    """Parts of instances, or the only one by itself; that is no pull of them."""
    if choice.is_multipart:
        root_type = parts[0].media_type.partition(";")[0]
        answer = responses.multipart_answer(parts, root=root_type, items=items, kind="viewed")
    elif len(parts) == 1:
        answer = responses.single_answer(parts[0], item=items[0], kind="viewed")
    else:
        raise errors.NotAcceptable("This comes in several parts. Accept multipart/related.")
    return handover.respond(request, answer, who=root.who)


def frame_pieces(item: InstanceItem, asked: Sequence[int], syntax: str) -> list[list[Piece]]:
    """Frames by their numbers from 1 in a transfer syntax; raises NotFound, NotAcceptable."""
    if syntax == negotiation.EXPLICIT_LITTLE and item.transfer_syntax_uid in rendering.DECODABLE:
        decoded = rendering.decoded_frames(item, asked)
        return [rendering.made_whole(pieces) for pieces in decoded] if len(asked) == 1 else decoded
    if syntax != item.transfer_syntax_uid and syntax in rendering.ENCODABLE:
        return rendering.encoded_frames(item, asked, syntax)
    if item.transfer_syntax_uid in filemeta.DEFLATED:
        return rendering.held_frames(item, asked)
    try:
        located = retrieving.locate_frames(item, asked)
    except errors.NotAcceptable:
        if item.pixel_length is None:
            raise
        return rendering.held_frames(item, asked)
    width = 1 if syntax == item.transfer_syntax_uid else retrieving.pixel_width(item)
    return [[replace(one, width=width, origin=one.start) for one in frame] for frame in located]


_SINGLE: Final = MediaType("application", "octet-stream")


def _select(root: Root, target: Target) -> list[InstanceItem]:
    return retrieving.select(root.sights(target.study_instance_uid), target)


def _is_compressed(item: InstanceItem) -> bool:
    return item.pixel_start is not None and item.pixel_length is None


def _compressed(request: HttpRequest, root: Root, item: InstanceItem, location: str) -> HttpResponseBase:
    choice = negotiation.choose_frames(request, item.transfer_syntax_uid, is_single=True)
    parts = list(_compressed_parts(item, root, choice, location))
    return respond_viewed(request, root, [item], choice=choice, parts=parts)


def _parts_of(
    items: Sequence[InstanceItem], root: Root, choice: negotiation.Choice, *, only: frozenset[str] | None = None
) -> list[Part]:
    budget = retrieving.Budget()
    parts: list[Part] = []
    for item, paths in retrieving.named_bulk(items):
        wanted = [path for path in paths if only is None or path in only]
        plain = [path for path in wanted if path != _PIXEL_DATA or not _is_compressed(item)]
        pieces = dict(zip(plain, retrieving.bulk_pieces(item, plain, budget), strict=True))
        for path in wanted:
            location = f"{root.base_url}{item.path}/bulkdata/{path}"
            if path in pieces:
                parts.append(Part(negotiation.OCTETS, location, pieces[path]))
            else:
                parts.extend(_compressed_parts(item, root, choice, location))
        if len(parts) > MAX_PARTS:
            raise errors.TooBroad(_TOO_MANY)
    if not parts:
        raise errors.NotFound
    return parts


def _compressed_parts(item: InstanceItem, root: Root, choice: negotiation.Choice, location: str) -> Iterator[Part]:
    syntax = negotiation.bulk_syntax(choice, item.transfer_syntax_uid)
    media_type = str(negotiation.part_type(choice, syntax))
    known = retrieving.find_frames(item)
    if known is None:
        raise errors.NotAcceptable("The frames of this instance cannot be told apart. Retrieve it whole.")
    if known.count > MAX_PARTS:
        raise errors.TooBroad(_TOO_MANY)
    frames = frame_pieces(item, range(1, known.count + 1), syntax)
    if syntax == negotiation.EXPLICIT_LITTLE:
        yield Part(media_type, location, list(chain.from_iterable(frames)))
        return
    for number, pieces in enumerate(frames, 1):
        yield Part(media_type, f"{root.base_url}{item.path}/frames/{number}", pieces)
