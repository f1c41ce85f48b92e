"""Retrieve: WADO-RS of studies, series, instances, metadata and frames (PS3.18 Section 10.4)."""

import itertools
from collections.abc import Sequence

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from exchange import handover
from exchange.dicomweb import bulk, negotiation, responses
from exchange.dicomweb.guard import Root
from exchange.dicomweb.responses import Part
from transfers import bundling, errors, rendering, retrieving
from transfers.formats import filemeta
from transfers.formats.mediatypes import MediaType
from transfers.retrieving import InstanceItem, Piece, Stretch, Target

MAX_FRAMES = 10_000
# The bulk data of an instance stand for it (PS3.18 Table 10.4.4-1).
_OCTETS = negotiation.multipart_of(negotiation.OCTETS)


def study(request: HttpRequest, root: Root, *, study: str) -> HttpResponseBase:
    """All instances of a study (PS3.18 Section 10.4.1.1.1), or a ZIP of them."""
    return _several(request, root, Target(study))


def series(request: HttpRequest, root: Root, *, study: str, series: str) -> HttpResponseBase:
    """All instances of a series (PS3.18 Section 10.4.1.1.1), or a ZIP of them."""
    return _several(request, root, Target(study, series))


def instance(request: HttpRequest, root: Root, *, study: str, series: str, instance: str) -> HttpResponseBase:
    """One instance, as the only part of a multipart or by itself (PS3.18 Table 10.4.4-1)."""
    items = _select(root, Target(study, series, instance))
    offers = [negotiation.multipart_of(negotiation.DICOM), MediaType("application", "dicom"), _OCTETS]
    choice = negotiation.choose(request, offers)
    if choice.offer is _OCTETS:
        return bulk.respond_all(request, root, items, choice=choice)
    (part,) = file_parts(items, root, choice)
    if choice.is_multipart:
        answer = responses.multipart_answer([part], root=negotiation.DICOM, items=items)
    else:
        answer = responses.single_answer(part, item=items[0])
    return handover.respond(request, answer, who=root.who)


def metadata(request: HttpRequest, root: Root, *, study: str, series: str = "", instance: str = "") -> HttpResponseBase:
    """The data sets without their bulk data (PS3.18 Section 10.4.1.1.2)."""
    items = _select(root, Target(study, series, instance))
    choice = negotiation.choose(request, negotiation.MODELS)
    etag = retrieving.tag("metadata", str(choice.offer), root.base_url, retrieving.digests(items))
    if unchanged := handover.not_modified(request, etag):
        return unchanged
    media_type = f"{choice.offer}; boundary={etag}" if choice.is_multipart else str(choice.offer)
    if request.method == "HEAD":
        return responses.model_response(iter(()), media_type=media_type, etag=etag)
    if choice.is_multipart:
        chunks = retrieving.stream_native(items, who=root.who, base_url=root.base_url, boundary=etag.encode())
    else:
        chunks = retrieving.stream_metadata(items, who=root.who, base_url=root.base_url)
    if retrieving.is_small(items):
        return responses.model_response(b"".join(chunks), media_type=media_type, etag=etag)
    return responses.model_response(chunks, media_type=media_type, etag=etag)


def frames(
    request: HttpRequest, root: Root, *, study: str, series: str, instance: str, numbers: str
) -> HttpResponseBase:
    """Single frames, by their numbers from 1 (PS3.18 Section 10.4.1.1.6)."""
    (item,) = _select(root, Target(study, series, instance))
    asked = parse_frame_list(numbers)
    # What is deflated is inflated for every caller: its frames are plain octets.
    stored = item.transfer_syntax_uid
    stored = negotiation.EXPLICIT_LITTLE if stored in filemeta.DEFLATED else stored
    choice = negotiation.choose_frames(request, stored, is_single=len(asked) == 1)
    syntax = negotiation.frame_syntax(choice, stored)
    media_type = str(negotiation.part_type(choice, syntax))
    parts = [
        Part(media_type, f"{root.base_url}{item.path}/frames/{number}", pieces)
        for number, pieces in zip(asked, bulk.frame_pieces(item, asked, syntax), strict=True)
    ]
    return bulk.respond_viewed(request, root, [item], choice=choice, parts=parts)


def parse_frame_list(text: str) -> list[int]:
    """Frame numbers in ascending order, each once (PS3.18 Table 10.4.1-1); raises BadRequest."""
    try:
        numbers = [int(part) for part in text.split(",") if part.isascii() and part.isdigit() and len(part) < 10]
    except ValueError:
        numbers = []
    if len(numbers) != text.count(",") + 1 or len(numbers) > MAX_FRAMES:
        raise errors.BadRequest("A list of frames holds numbers from 1, with commas between them.")
    if numbers[0] < 1 or any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise errors.BadRequest("Frames are counted from 1 and listed in ascending order, each once.")
    return numbers


def _several(request: HttpRequest, root: Root, target: Target) -> HttpResponseBase:
    items = _select(root, target)
    choice = negotiation.choose(request, [negotiation.multipart_of(negotiation.DICOM), negotiation.ZIP, _OCTETS])
    if choice.offer is _OCTETS:
        return bulk.respond_all(request, root, items, choice=choice)
    if not choice.is_multipart:
        return handover.respond(request, bundling.bundle(items), who=root.who)
    parts = file_parts(items, root, choice)
    answer = responses.multipart_answer(parts, root=negotiation.DICOM, items=items)
    return handover.respond(request, answer, who=root.who)


def _select(root: Root, target: Target) -> list[InstanceItem]:
    return retrieving.select(root.sights(target.study_instance_uid), target)


def file_parts(items: Sequence[InstanceItem], root: Root, choice: negotiation.Choice) -> list[Part]:
    """Files as they are stored, or in the syntax that was asked for."""
    syntaxes = {item.transfer_syntax_uid for item in items}
    given = {stored: negotiation.choose_syntax(choice, stored) for stored in syntaxes}
    types = {syntax: f"application/dicom; transfer-syntax={syntax}" for syntax in {*given, *given.values()}}
    budget, room = retrieving.Budget(), rendering.Room()
    parts = []
    for item in items:
        syntax = given[item.transfer_syntax_uid]
        try:
            pieces = _file_pieces(item, syntax, budget, room, is_single=len(items) == 1)
        except errors.NotAcceptable:
            if item.transfer_syntax_uid not in negotiation.LOSSY or None not in choice.syntaxes:
                raise
            # Only lossy pixel data exist, and nothing here decodes them (PS3.18 Section 8.7.3.5.2).
            syntax, pieces = item.transfer_syntax_uid, [Stretch(item, 0, item.size)]
        parts.append(Part(types[syntax], root.base_url + item.path, pieces))
    return parts


def _file_pieces(
    item: InstanceItem, syntax: str, budget: retrieving.Budget, room: rendering.Room, *, is_single: bool
) -> list[Piece]:
    """A file by itself is made whole before its answer begins, so that what fails has a status."""
    if syntax == item.transfer_syntax_uid:
        return [Stretch(item, 0, item.size)]
    if syntax in rendering.ENCODABLE:
        return rendering.encoded_pieces(item, syntax, room)
    if item.transfer_syntax_uid not in rendering.DECODABLE:
        return retrieving.explicit_pieces(item, budget)
    budget.take(item.pixel_start or 0)
    pieces = rendering.decompressed_pieces(item)
    return rendering.made_whole(pieces) if is_single else pieces
