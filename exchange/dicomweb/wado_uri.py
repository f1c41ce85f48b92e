"""WADO-URI: one instance by the parameters of a query (DICOM PS3.18 Section 9).

An image is a picture unless application/dicom is asked for, a report a page. What is asked for by UIDs is found among
all the caller's open deliveries, as below `/dicomweb/`.
"""

from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from exchange import handover
from exchange.dicomweb import negotiation, rendered, responses, retrieve, uri_parameters
from exchange.dicomweb.guard import ByMethod, Reading, Root
from exchange.dicomweb.uri_parameters import Display
from transfers import errors, rendering, retrieving
from transfers.formats.mediatypes import MediaType
from transfers.rendering import Failure, Picture
from transfers.retrieving import InstanceItem, Target

_DICOM: Final = MediaType("application", "dicom")
IMAGES: Final = tuple(MediaType("image", name.removeprefix("image/")) for name in rendered.IMAGES)


def retrieve_instance(request: HttpRequest, root: Root) -> HttpResponseBase:
    """Both transactions; the media type that is chosen tells them apart (PS3.18 Section 9.3)."""
    target = uri_parameters.target(request)
    uri_parameters.ensure_identified(request)
    (item,) = _select(root, target)
    offers = _offers(item)
    chosen = uri_parameters.content_type(request, offers)
    if chosen == _DICOM:
        return _object(request, root, item)
    if chosen not in IMAGES:
        uri_parameters.ensure_plain(request)
        return rendered.page(request, root, item, media_type=chosen.essence)
    return _image(request, root, item, uri_parameters.display(request, media_type=chosen.essence))


def _offers(item: InstanceItem) -> list[MediaType]:
    """PS3.18 Table 8.7.4-1; what is no image and no text is given as it is."""
    if rendering.has_pages(item):
        return [*rendered.page_types(item), _DICOM]
    is_shown = item.sop_class_uid in rendering.PRESENTATION_STATES or rendering.has_pixels(item)
    return [*(IMAGES if is_shown else ()), _DICOM]


def _object(request: HttpRequest, root: Root, item: InstanceItem) -> HttpResponseBase:
    choice = negotiation.Choice(_DICOM, [uri_parameters.transfer_syntax(request)])
    (part,) = retrieve.file_parts([item], root, choice)
    return handover.respond(request, responses.single_answer(part, item=item), who=root.who)


def _image(request: HttpRequest, root: Root, item: InstanceItem, display: Display) -> HttpResponseBase:
    state, image, listed = _presented(root, item, display)
    etag = rendered.tag(request, image, display.asked.wishes.media_type, more=state.sha256 if state else b"")
    if unchanged := handover.not_modified(request, etag):
        return unchanged
    octets = _drawn(image, display, state=state, listed=listed)
    media_type = display.asked.wishes.media_type
    response = rendered.single(request, root, image, octets, media_type=media_type, etag=etag)
    return rendered.warned(response, display.asked)


def _presented(root: Root, item: InstanceItem, display: Display) -> tuple[InstanceItem | None, InstanceItem, list[int]]:
    """The presentation state if any, the image, and the frames that the state speaks of, none for all.

    A state that is asked for itself shows the first of its images.
    """
    if item.sop_class_uid in rendering.PRESENTATION_STATES:
        if display.state is not None or display.frame is not None or display.asked.wishes.window is not None:
            raise errors.BadRequest("A presentation state brings its own frames and window: leave the parameters out.")
        found = rendering.presented(item, _select(root, Target(item.study_instance_uid)))
        if not found:
            raise errors.NotFound("The images that this presentation state speaks of are not here.")
        return item, *found[0]
    if display.state is None:
        return None, item, []
    (state,) = _select(root, display.state)
    found = rendering.presented(state, [item]) if state.sop_class_uid in rendering.PRESENTATION_STATES else []
    if not found:
        raise errors.BadRequest("presentationUID is not that of a presentation state which speaks of this image.")
    return state, *found[0]


def _drawn(image: InstanceItem, display: Display, *, state: InstanceItem | None, listed: list[int]) -> bytes:
    """One frame, or as a GIF without a frame number all of them in motion."""
    made = display.asked.wishes
    is_animated = display.frame is None and made.media_type == "image/gif" and state is None
    if is_animated and len(rendering.frame_numbers(image)) > 1:
        return rendering.animate(image, made)
    number = display.frame or (listed[0] if listed else 1)
    if display.frame is not None:
        _ensure_frame(image, number, listed)
    (one,) = rendered.kept(rendering.pictures_of(image, [number], made, state=state))
    if isinstance(one, Failure):
        raise one.error
    assert isinstance(one, Picture)
    return one.octets


def _ensure_frame(image: InstanceItem, number: int, listed: list[int]) -> None:
    """PS3.18 Section 9.5.1.2.1: a frame number is for images of many frames, and within their count."""
    count = len(rendering.frame_numbers(image))
    if count == 1:
        raise errors.BadRequest("This image has one frame: leave frameNumber out.")
    if number > count or (listed and number not in listed):
        raise errors.BadRequest("There is no such frame.")


def _select(root: Root, target: Target) -> list[InstanceItem]:
    return retrieving.select(root.sights(target.study_instance_uid), target)


wado = ByMethod(GET=Reading(retrieve_instance))
