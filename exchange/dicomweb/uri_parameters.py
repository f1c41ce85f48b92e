"""The query parameters of WADO-URI (DICOM PS3.18 Sections 9.1.2, 9.4.1.2 and 9.5.1.2): checked, not carried out."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest

from exchange.dicomweb import wishes
from exchange.dicomweb.wishes import MAX_SIDE, Asked
from transfers import errors
from transfers.formats import mediatypes
from transfers.formats.mediatypes import TRANSFER_SYNTAX, MediaType
from transfers.rendering import Wishes
from transfers.retrieving import Target

# PS3.18 Tables 9.1.2-1, 9.4.1-1 and 9.5.1-1. `annotation` is what the templates of both transactions call
# imageAnnotation; it may stand beside application/dicom, where there is nothing that it could change.
IDENTIFYING: Final = ("requestType", "studyUID", "seriesUID", "objectUID")
OF_RENDERED: Final = (
    *("frameNumber", "imageAnnotation", "imageQuality", "rows", "columns", "region"),
    *("windowCenter", "windowWidth", "presentationSeriesUID", "presentationUID"),
)
OF_DICOM: Final = ("anonymize", "transferSyntax")
PARAMETERS: Final = (*IDENTIFYING, "contentType", "charset", "annotation", *OF_DICOM, *OF_RENDERED)
_UID: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Display:
    """How an image is wanted; `state` is the presentation state that is to be applied, `frame` None for any."""

    asked: Asked
    frame: int | None
    state: Target | None


def target(request: HttpRequest) -> Target:
    """The instance that is asked for (PS3.18 Section 9.1.2.1); raises BadRequest."""
    query = request.GET
    if repeated := [name for name in PARAMETERS if len(query.getlist(name)) > 1]:
        raise errors.BadRequest(f"A parameter is given once: {', '.join(repeated)}.")
    if query.get("requestType") != "WADO":
        raise errors.BadRequest("requestType=WADO is the only one.")
    if not all(is_uid(query.get(name, "")) for name in IDENTIFYING[1:]):
        raise errors.BadRequest("studyUID, seriesUID and objectUID are all needed, each one UID.")
    return Target(query["studyUID"], query["seriesUID"], query["objectUID"])


def ensure_identified(request: HttpRequest) -> None:
    """Nothing is taken out of an object here; raises Forbidden where that is asked for (PS3.18 Section 9.4.1.2.1)."""
    if "anonymize" not in request.GET:
        return
    if request.GET["anonymize"] != "yes":
        raise errors.BadRequest("anonymize has one value: yes.")
    raise errors.Forbidden("Objects are not anonymized here. Leave the parameter out, or ask the sender for such ones.")


def content_type(request: HttpRequest, offers: Collection[MediaType]) -> MediaType:
    """The media type liked best: of contentType, else of the Accept header (PS3.18 Sections 8.7.5 and 9.1.2.2.1).

    Raises BadRequest for parameters that these types do not have, NotAcceptable.
    """
    named, header = request.GET.get("contentType", ""), request.META.get("HTTP_ACCEPT", "") or "*/*"
    if any("charset" in entry.media_type.params for entry in mediatypes.parse_accept(named)):
        raise errors.BadRequest("A type in contentType has no charset: charset is a parameter by itself.")
    for text in (named, header):
        ranges = mediatypes.parse_accept(text)
        if any(TRANSFER_SYNTAX in entry.media_type.params for entry in ranges):
            raise errors.BadRequest("A media type has no transfer-syntax here: transferSyntax is a parameter.")
        if (chosen := mediatypes.negotiate(ranges, offers)) is not None:
            return chosen
    offered = ", ".join(str(offer) for offer in offers)
    raise errors.NotAcceptable(f"None of the media types you accept can be given. Offered here: {offered}.")


def transfer_syntax(request: HttpRequest) -> str | None:
    """The transfer syntax of a DICOM object (PS3.18 Section 9.4.1.2.3), None for the default; raises BadRequest.

    `*` is no UID, but what clients send for the stored one.
    """
    if present := [name for name in OF_RENDERED if name in request.GET]:
        raise errors.BadRequest(f"Not with application/dicom: {', '.join(present)}.")
    text = request.GET.get("transferSyntax")
    if text is not None and text != "*" and not is_uid(text):
        raise errors.BadRequest("transferSyntax is one UID.")
    return text


def display(request: HttpRequest, *, media_type: str) -> Display:
    """How an image is to be shown (PS3.18 Section 9.5.1.2); raises BadRequest."""
    query = {name: request.GET[name] for name in PARAMETERS if name in request.GET}
    if "transferSyntax" in query:
        raise errors.BadRequest("transferSyntax goes with application/dicom alone.")
    state = _state(query)
    if state is not None and {"windowCenter", "windowWidth"}.intersection(query):
        raise errors.BadRequest("A presentation state has its own window: leave windowCenter and windowWidth out.")
    name = "imageAnnotation" if "imageAnnotation" in query else "annotation"
    burned, warning = wishes.annotations(query.get(name), name=name)
    made = Wishes(
        media_type=media_type,
        quality=wishes.quality(query.get("imageQuality", "90"), name="imageQuality"),
        window=_window(query),
        viewport=_box(query),
        region=_region(query),
        annotations=burned,
    )
    return Display(Asked(made, warning), _whole(query, "frameNumber", most=1 << 31), state)


def ensure_plain(request: HttpRequest) -> None:
    """What speaks of pixels is refused for a text (PS3.18 Section 9.5.1.2); raises BadRequest."""
    if present := [name for name in (*OF_RENDERED, "annotation", "transferSyntax") if name in request.GET]:
        raise errors.BadRequest(f"This is no image: leave out {', '.join(present)}.")


def is_uid(text: str) -> bool:
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def _state(query: Mapping[str, str]) -> Target | None:
    given = [name for name in ("presentationSeriesUID", "presentationUID") if name in query]
    if not given:
        return None
    if len(given) == 1 or not all(is_uid(query[name]) for name in given):
        raise errors.BadRequest("presentationUID and presentationSeriesUID come together, each one UID.")
    return Target(query["studyUID"], query["presentationSeriesUID"], query["presentationUID"])


def _window(query: Mapping[str, str]) -> tuple[float, float, str] | None:
    """Both or neither; the function is the linear one (PS3.3 Section C.11.2.1.2)."""
    if not {"windowCenter", "windowWidth"}.intersection(query):
        return None
    center, width = (wishes.number(query.get(name, "")) for name in ("windowCenter", "windowWidth"))
    if center is None or width is None or width < 1:
        raise errors.BadRequest("windowCenter and windowWidth come together, two numbers; a width is at least 1.")
    return center, width, "linear"


def _box(query: Mapping[str, str]) -> tuple[float, float] | None:
    """The most columns and rows that there may be; of one alone the other follows."""
    columns, rows = _whole(query, "columns", most=MAX_SIDE), _whole(query, "rows", most=MAX_SIDE)
    if columns is None and rows is None:
        return None
    return float(columns or MAX_SIDE), float(rows or MAX_SIDE)


def _region(query: Mapping[str, str]) -> tuple[float, float, float, float] | None:
    if "region" not in query:
        return None
    numbers = [wishes.number(part) for part in query["region"].split(",")]
    known = [number for number in numbers if number is not None and 0.0 <= number <= 1.0]
    if len(numbers) != 4 or len(known) != 4 or known[0] >= known[2] or known[1] >= known[3]:
        raise errors.BadRequest("region is xmin,ymin,xmax,ymax, from 0.0 to 1.0, the least before the greatest.")
    return known[0], known[1], known[2], known[3]


def _whole(query: Mapping[str, str], name: str, *, most: int) -> int | None:
    if name not in query:
        return None
    text = query[name]
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= most:
        raise errors.BadRequest(f"{name} is a whole number from 1" + (f" to {most}." if most == MAX_SIDE else "."))
    return int(text)
