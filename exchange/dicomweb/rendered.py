"""Rendered resources and thumbnails: WADO-RS for people (PS3.18 Sections 10.4.1.1.3 and 10.4.1.1.4)."""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Final

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from exchange import handover
from exchange.dicomweb import negotiation, responses, retrieve, wishes
from exchange.dicomweb.guard import Root
from exchange.dicomweb.responses import Part
from exchange.dicomweb.wishes import Asked
from transfers import errors, rendering, retrieving
from transfers.formats import mediatypes, multipart
from transfers.formats.mediatypes import MediaType
from transfers.rendering import Failure, Picture
from transfers.retrieving import InstanceItem, Piece, Target, Whole

IMAGES: Final = ("image/jpeg", "image/png", "image/gif")
THUMBNAILS: Final = tuple(MediaType("image", kind) for kind in ("jpeg", "png"))
PAGES: Final = (MediaType("text", "html"), MediaType("text", "plain"))
PDF: Final = MediaType("application", "pdf")
# A page shows what a stranger wrote: it may load nothing and run nothing.
_LOCKED: Final = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
# Changes with the way pictures are made, and so do the tags of answers.
_MAKER: Final = "1"


def study(request: HttpRequest, root: Root, *, study: str) -> HttpResponseBase:
    """Every image of a study, as parts."""
    return _many(request, root, Target(study))


def series(request: HttpRequest, root: Root, *, study: str, series: str) -> HttpResponseBase:
    """Every image of a series, as parts."""
    return _many(request, root, Target(study, series))


def instance(request: HttpRequest, root: Root, *, study: str, series: str, instance: str) -> HttpResponseBase:
    """One instance: by itself the first frame, or all as an animated GIF; as parts every frame; texts as pages."""
    (item,) = _select(root, Target(study, series, instance))
    if rendering.has_pages(item):
        return _document(request, root, item)
    if item.sop_class_uid in rendering.PRESENTATION_STATES:
        return _presented(request, root, item)
    choice = _choose(request, is_single=True)
    asked = wishes.read(request, media_type=_image_type(choice))
    etag = tag(request, item, str(choice.offer))
    if unchanged := handover.not_modified(request, etag):
        return unchanged
    is_animated = not choice.is_multipart and asked.wishes.media_type == "image/gif"
    # A picture needs no count of frames: the header is read once.
    numbers = rendering.frame_numbers(item) if choice.is_multipart or is_animated else range(1, 2)
    if is_animated and len(numbers) > 1:
        made: list[Picture | Failure] = [Picture(item, 1, rendering.animate(item, asked.wishes))]
    else:
        made = kept(rendering.pictures_of(item, numbers if choice.is_multipart else [1], asked.wishes))
    return _respond(request, root, made, choice=choice, asked=asked, etag=etag)


def frames(
    request: HttpRequest, root: Root, *, study: str, series: str, instance: str, numbers: str
) -> HttpResponseBase:
    """Single frames, by their numbers from 1."""
    (item,) = _select(root, Target(study, series, instance))
    wanted = retrieve.parse_frame_list(numbers)
    if item.sop_class_uid in rendering.PRESENTATION_STATES:
        raise errors.BadRequest("A presentation state names its own frames: leave them out.")
    choice = _choose(request, is_single=len(wanted) == 1)
    asked = wishes.read(request, media_type=_image_type(choice))
    etag = tag(request, item, str(choice.offer))
    if unchanged := handover.not_modified(request, etag):
        return unchanged
    made = kept(rendering.pictures_of(item, wanted, asked.wishes))
    return _respond(request, root, made, choice=choice, asked=asked, etag=etag, names_frames=True)


def thumbnail(
    request: HttpRequest, root: Root, *, study: str, series: str = "", instance: str = "", numbers: str = ""
) -> HttpResponseBase:
    """One small picture, at each of the four levels."""
    items = _select(root, Target(study, series, instance))
    choice = negotiation.choose(request, THUMBNAILS)
    size = wishes.size(request, side=rendering.SIDE)
    wanted = retrieve.parse_frame_list(numbers) if numbers else [0]
    if len(wanted) > 1:
        raise errors.BadRequest("A thumbnail shows one frame.")
    item = rendering.representative(items)
    etag = tag(request, item, str(choice.offer))
    if unchanged := handover.not_modified(request, etag):
        return unchanged
    octets = rendering.thumbnail(item, number=wanted[0], media_type=str(choice.offer), size=size)
    return single(request, root, item, octets, media_type=str(choice.offer), etag=etag)


def _select(root: Root, target: Target) -> list[InstanceItem]:
    return retrieving.select(root.sights(target.study_instance_uid), target)


def _choose(request: HttpRequest, *, is_single: bool) -> negotiation.Choice:
    """JPEG, PNG or GIF, by itself or in parts; raises BadRequest where DICOM and pictures are asked for at once."""
    texts = (request.GET.get("accept", ""), request.META.get("HTTP_ACCEPT", ""))
    for ranges in (mediatypes.parse_accept(text) for text in texts):
        names = {entry.media_type.params.get("type", entry.media_type.essence).lower() for entry in ranges}
        if any(name.startswith("application/dicom") for name in names) and names.intersection(IMAGES):
            raise errors.BadRequest("DICOM and rendered media types cannot be asked for in one request.")
    alone = [MediaType("image", name.removeprefix("image/")) for name in IMAGES] if is_single else []
    return negotiation.choose(request, [*alone, *map(negotiation.multipart_of, IMAGES)])


def _image_type(choice: negotiation.Choice) -> str:
    return choice.offer.params.get("type", choice.offer.essence)


def tag(request: HttpRequest, item: InstanceItem, media_type: str, *, more: bytes = b"") -> str:
    """The tag of a picture or page of an item, asked for in this way; `more` is whatever else decides it."""
    return retrieving.tag("rendered", _MAKER, media_type, request.get_full_path(), item.sha256, more)


def kept(made: Iterator[Picture | Failure]) -> list[Picture | Failure]:
    """All of them, as far as they may be held at once; raises NotAcceptable."""
    held, size = [], 0
    for one in made:
        size += len(one.octets) if isinstance(one, Picture) else 0
        if size > rendering.MAX_MADE:
            raise errors.NotAcceptable("These are too many pictures at once. Ask for fewer frames.")
        held.append(one)
    return held


def _respond(
    request: HttpRequest,
    root: Root,
    made: Sequence[Picture | Failure],
    *,
    choice: negotiation.Choice,
    asked: Asked,
    etag: str,
    names_frames: bool = False,
) -> HttpResponseBase:
    """What could be shown; a frame that could not is a problem in a part of its own, and the status is 206."""
    failed = [one for one in made if isinstance(one, Failure)]
    if len(failed) == len(made):
        raise failed[0].error
    if choice.is_multipart:
        media_type = asked.wishes.media_type
        parts = [_part(one, root, media_type=media_type, names_frame=names_frames or len(made) > 1) for one in made]
        items = list({one.item.pk: one.item for one in made}.values())
        response = handover.respond(
            request, responses.multipart_answer(parts, root=media_type, items=items, kind="viewed"), who=root.who
        )
    else:
        (picture,) = [one for one in made if isinstance(one, Picture)]
        response = single(request, root, picture.item, picture.octets, media_type=asked.wishes.media_type, etag=etag)
    if failed and response.status_code == 200:
        response.status_code = 206
    return warned(response, asked)


def single(
    request: HttpRequest, root: Root, item: InstanceItem, octets: bytes, *, media_type: str, etag: str
) -> HttpResponseBase:
    """One picture or page by itself, counted as viewed."""
    pieces: list[Piece] = [octets, Whole(item, len(octets))]
    answer = retrieving.of_pieces(pieces, media_type=media_type, etag=etag, items=[item], kind="viewed")
    return handover.respond(request, answer, who=root.who)


def _part(one: Picture | Failure, root: Root, *, media_type: str, names_frame: bool) -> Part:
    location = root.base_url + one.item.path + (f"/frames/{one.number}" if names_frame else "")
    if isinstance(one, Picture):
        return Part(media_type, location, [one.octets, Whole(one.item, len(one.octets))])
    body = {"type": "about:blank", "title": "Not Acceptable", "status": 406, "detail": one.error.sentence}
    return Part("application/problem+json", location, [json.dumps(body).encode()])


def warned(response: HttpResponseBase, asked: Asked) -> HttpResponseBase:
    """The same answer, which says what of the wishes is not offered."""
    if asked.warning:
        response["Warning"] = f"299 {settings.PUBLIC_URL}/dicomweb: {asked.warning}"
    return response


def _many(request: HttpRequest, root: Root, target: Target) -> HttpResponseBase:
    """Pictures have no size beforehand, so these parts have no length; a body that was cut has no closing delimiter."""
    items = _select(root, target)
    choice = _choose(request, is_single=False)
    asked = wishes.read(request, media_type=_image_type(choice))
    images = [item for item in items if item.pixel_offset is not None]
    if not images:
        raise errors.NotAcceptable("There are no images here. Reports and documents are rendered one by one.")
    boundary = retrieving.tag("rendered", _MAKER, request.get_full_path(), retrieving.digests(images))
    media_type = f'multipart/related; type="{asked.wishes.media_type}"; boundary={boundary}'
    headers = {"Content-Type": media_type, "Cache-Control": "private, no-store", "Vary": "Accept, Authorization"}
    if request.method == "HEAD":
        return warned(StreamingHttpResponse(headers=headers), asked)
    made = rendering.stream_pictures(images, asked.wishes, who=root.who)
    begun = chain([next(made)], made)
    parts = map(partial(_part, root=root, media_type=asked.wishes.media_type, names_frame=True), begun)
    return warned(StreamingHttpResponse(_written(parts, boundary.encode()), headers=headers), asked)


def _written(parts: Iterable[Part], boundary: bytes) -> Iterator[bytes]:
    for part in parts:
        octets = b"".join(piece for piece in part.pieces if isinstance(piece, bytes))
        yield multipart.part_header(boundary, content_type=part.media_type, location=part.location) + octets
    yield multipart.closing(boundary)


def _presented(request: HttpRequest, root: Root, state: InstanceItem) -> HttpResponseBase:
    """The images that a presentation state speaks of, as it wants them seen (PS3.18 Section 8.3.5.1)."""
    choice = _choose(request, is_single=True)
    asked = wishes.read(request, media_type=_image_type(choice), is_presented=True)
    chosen = rendering.presented(state, _select(root, Target(state.study_instance_uid)))
    if not chosen:
        raise errors.NotFound("The images that this presentation state speaks of are not here.")
    made: list[Picture | Failure] = []
    for image, numbers in chosen if choice.is_multipart else chosen[:1]:
        wanted = numbers or list(rendering.frame_numbers(image))
        made += kept(
            rendering.pictures_of(image, wanted if choice.is_multipart else wanted[:1], asked.wishes, state=state)
        )
    return _respond(request, root, made, choice=choice, asked=asked, etag=tag(request, state, str(choice.offer)))


def _document(request: HttpRequest, root: Root, item: InstanceItem) -> HttpResponseBase:
    choice = negotiation.choose(request, page_types(item))
    return page(request, root, item, media_type=choice.offer.essence)


def page_types(item: InstanceItem) -> list[MediaType]:
    """A report or document as a page; one that is a PDF also as such."""
    return [*PAGES, *([PDF] if rendering.document(item) is not None else [])]


def page(request: HttpRequest, root: Root, item: InstanceItem, *, media_type: str) -> HttpResponseBase:
    """A report or document in one of its types; a PDF is never to be opened in the place of a page."""
    if media_type == rendering.PDF and (stretch := rendering.document(item)) is not None:
        part = Part(media_type, root.base_url + item.path, [stretch])
        response = handover.respond(request, responses.single_answer(part, item=item, kind="viewed"), who=root.who)
        response["Content-Disposition"] = 'attachment; filename="document.pdf"'
        return response
    charset = wishes.charset(request)
    octets = rendering.page(item, media_type=media_type, charset=charset)
    written = f"{media_type}; charset={charset.lower()}"
    response = single(request, root, item, octets, media_type=written, etag=tag(request, item, media_type))
    for name, value in _LOCKED.items():
        response[name] = value
    return response
