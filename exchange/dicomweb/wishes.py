"""The query parameters of rendered resources (DICOM PS3.18 Section 8.3.5): checked here, carried out elsewhere."""

import re
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest

from transfers import errors
from transfers.formats import mediatypes
from transfers.rendering import Wishes

MAX_SIDE: Final = 8192
ANNOTATIONS: Final = ("patient", "technique")
_FUNCTIONS: Final = ("linear", "linear-exact", "sigmoid")
_PROFILES: Final = ("no", "yes", "srgb", "adobergb", "rommrgb")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(?:[eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted, and what of it is not offered: that is told in a Warning."""

    wishes: Wishes
    warning: str = ""


def read(request: HttpRequest, *, media_type: str, is_presented: bool = False) -> Asked:
    """The wishes of a request; raises BadRequest. A presentation state brings its own window and region."""
    if is_presented and "window" in request.GET:
        raise errors.BadRequest("A presentation state has its own window: leave the parameter out.")
    burned, warning = annotations(request.GET.get("annotation"))
    profile = request.GET.get("iccprofile", "no")
    if profile not in _PROFILES:
        raise errors.BadRequest(f"iccprofile is one of {', '.join(_PROFILES)}.")
    if profile != "no":
        warning = warning or f"The iccprofile {profile} is not supported"
    wishes = Wishes(
        media_type=media_type,
        quality=quality(request.GET.get("quality", "90")),
        window=_window(request),
        viewport=_viewport(request, with_region=not is_presented),
        annotations=burned,
    )
    return Asked(wishes, warning)


def size(request: HttpRequest, *, side: int) -> tuple[int, int]:
    """The box that a thumbnail fits into; raises BadRequest for anything but a width and a height."""
    viewport = _viewport(request, with_region=False)
    return (int(viewport[0] or side), int(viewport[1] or side)) if viewport else (side, side)


def charset(request: HttpRequest) -> str:
    """The character set of a page: of the query, else of the Accept header, else UTF-8."""
    if asked := request.GET.get("charset", ""):
        return asked
    texts = (request.GET.get("accept", ""), request.META.get("HTTP_ACCEPT", ""))
    named = (entry.media_type.params.get("charset") for text in texts for entry in mediatypes.parse_accept(text))
    return next((name for name in named if name), "utf-8")


def annotations(text: str | None, *, name: str = "annotation") -> tuple[tuple[str, ...], str]:
    """Those that are offered, and a warning of those that are not; raises BadRequest."""
    if text is None:
        return (), ""
    asked = text.split(",")
    known = tuple(word for word in ANNOTATIONS if word in asked)
    others = [word for word in asked if word not in ANNOTATIONS]
    if not known or not all(re.fullmatch(r"[A-Za-z0-9_-]{1,32}", word) for word in others):
        raise errors.BadRequest(f"{name} holds one or more of {', '.join(ANNOTATIONS)}, with commas between them.")
    warning = f"The following annotation values are not supported: {', '.join(others)}" if others else ""
    return known, warning


def quality(text: str, *, name: str = "quality") -> int:
    """From 1 to 100; raises BadRequest."""
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= 100):
        raise errors.BadRequest(f"{name} is a whole number from 1 to 100.")
    return int(text)


def number(text: str) -> float | None:
    """A decimal number, None where it is none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def _window(request: HttpRequest) -> tuple[float, float, str] | None:
    if "window" not in request.GET:
        return None
    parts = request.GET["window"].split(",")
    function = parts[-1].lower()
    if len(parts) != 3 or function not in _FUNCTIONS or not all(map(_NUMBER.fullmatch, parts[:2])):
        raise errors.BadRequest(f"window is centre,width,function; the function is one of {', '.join(_FUNCTIONS)}.")
    center, width = float(parts[0]), float(parts[1])
    if width <= 0 or (function == "linear" and width < 1):
        raise errors.BadRequest("The width of a linear window is at least 1, that of the others more than 0.")
    return center, width, function


def _viewport(request: HttpRequest, *, with_region: bool) -> tuple[float | None, ...] | None:
    """vw,vh or vw,vh,sx,sy,sw,sh, where the last four may be left empty (PS3.18 Section 8.3.5.1.3)."""
    if "viewport" not in request.GET:
        return None
    parts = request.GET["viewport"].split(",")
    if len(parts) not in ((2, 6) if with_region else (2,)):
        raise errors.BadRequest(
            "viewport is width,height" + (" or width,height,x,y,width,height." if with_region else ".")
        )
    if not all(part.isascii() and part.isdigit() and len(part) < 6 and 0 < int(part) <= MAX_SIDE for part in parts[:2]):
        raise errors.BadRequest(f"The width and height of a viewport are whole numbers from 1 to {MAX_SIDE}.")
    if not all(part == "" or _NUMBER.fullmatch(part) for part in parts[2:]):
        raise errors.BadRequest("The region of a viewport is given in numbers, or left empty between the commas.")
    left, top, width, height = [float(part) if part else None for part in parts[2:]] or [None] * 4
    if (left or 0.0) < 0 or (top or 0.0) < 0 or width == 0 or height == 0:
        raise errors.BadRequest("The region of a viewport begins inside the picture and is not empty.")
    return float(int(parts[0])), float(int(parts[1])), left or 0.0, top or 0.0, width, height
