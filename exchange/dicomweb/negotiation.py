"""What the caller accepts (DICOM PS3.18 Sections 8.7.3 to 8.7.5), and what may be given of what is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Final

from django.http import HttpRequest

from transfers import errors, rendering, retrieving
from transfers.formats import mediatypes, nativexml
from transfers.formats.mediatypes import MULTIPART, TRANSFER_SYNTAX, MediaRange, MediaType

EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
BIG: Final = "1.2.840.10008.1.2.2"
NATIVE: Final = frozenset({EXPLICIT_LITTLE, "1.2.840.10008.1.2", BIG})
_JPEG: Final = "1.2.840.10008.1.2.4"
# Where only lossy pixel data exist they may be given as received, whatever was asked (PS3.18 Section 8.7.3.5.2).
LOSSY: Final = frozenset(f"{_JPEG}.{end}" for end in (50, 51, 81, 91, 93, 112, 203, *range(100, 109)))
# PS3.18 Tables 8.7.3-2 to 8.7.3-5: the media type of a compressed frame.
MEDIA_TYPES: Final[dict[str, str]] = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    **dict.fromkeys((f"{_JPEG}.{end}" for end in (50, 51, 57, 70)), "image/jpeg"),
    **dict.fromkeys((f"{_JPEG}.{end}" for end in (80, 81)), "image/jls"),
    **dict.fromkeys((f"{_JPEG}.{end}" for end in (90, 91)), "image/jp2"),
    **dict.fromkeys((f"{_JPEG}.{end}" for end in (92, 93)), "image/jpx"),
    **dict.fromkeys((f"{_JPEG}.{end}" for end in (201, 202, 203)), "image/jphc"),
    **dict.fromkeys((f"{_JPEG}.{end}" for end in (110, 111, 112)), "image/jxl"),
    **dict.fromkeys((f"{_JPEG}.{end}" for end in (100, 101)), "video/mpeg"),
    **dict.fromkeys((f"{_JPEG}.{end}" for end in range(102, 107)), "video/mp4"),
    **dict.fromkeys((f"{_JPEG}.{end}" for end in (107, 108)), "video/H265"),
}
# Older names of the same types that clients still send.
_ALIASES: Final = {
    "image/x-jls": "image/jls",
    "image/x-dicom-rle": "image/dicom-rle",
    "video/mpeg2": "video/mpeg",
}
# Frames are compressed anew, without loss, into these.
_ANEW: Final = {MEDIA_TYPES[syntax]: syntax for syntax in sorted(rendering.ENCODABLE)}
OCTETS: Final = "application/octet-stream"
DICOM: Final = "application/dicom"
JSON: Final = (MediaType("application", "dicom+json"), MediaType("application", "json"))
# How data sets without their bulk data are given (PS3.18 Table 8.7.3-6).
MODELS: Final = (*JSON, MediaType(*MULTIPART, {"type": nativexml.MEDIA_TYPE}))
ZIP: Final = MediaType("application", "zip")
_AS_STORED: Final = "Add transfer-syntax=* to get what is stored, byte for byte."


@dataclass(frozen=True, slots=True)
class Choice:
    """A representation, and the transfer syntaxes it was asked for in; None where a range names none."""

    offer: MediaType
    syntaxes: Sequence[str | None]

    @property
    def is_multipart(self) -> bool:
        return (self.offer.type, self.offer.subtype) == MULTIPART


def multipart_of(root: str, **params: str) -> MediaType:
    return MediaType(*MULTIPART, {"type": root, **params})


def choose(
    request: HttpRequest, offers: Sequence[MediaType], *, gives: Callable[[MediaType, str | None], bool] | None = None
) -> Choice:
    """The representation the caller likes best (PS3.18 Section 8.7.5).

    The `accept` parameter of the query comes before the header; without either the first offer is given, for
    real clients leave the header out. `gives(offer, syntax)` says whether an offer meets a range that names this
    transfer syntax, or none. Raises NotAcceptable.
    """
    for text in (request.GET.get("accept", ""), request.META.get("HTTP_ACCEPT", "") or "*/*"):
        ranges = [_with_known_name(entry) for entry in mediatypes.parse_accept(text)]
        able = [offer for offer in offers if gives is None or any(gives(offer, w) for w in _wishes(ranges, offer))]
        offer = mediatypes.negotiate([_without_syntax(entry) for entry in ranges], able)
        if offer is not None:
            return Choice(offer, _wishes(ranges, offer))
    raise errors.NotAcceptable(
        f"None of the media types you accept can be given. Offered here: {', '.join(str(offer) for offer in offers)}."
    )


def choose_syntax(choice: Choice, stored: str) -> str:
    """The transfer syntax in which an instance is given (PS3.18 Section 8.7.3.5).

    `transfer-syntax=*` and the stored syntax give the stored bytes; no transfer syntax asks for Explicit VR
    Little Endian, into which what can be decoded is converted; a lossless syntax that is named is compressed into
    where that is possible. Raises NotAcceptable.
    """
    if {"*", stored}.intersection(choice.syntaxes):
        return stored
    is_able = stored in retrieving.CONVERTIBLE or stored in rendering.DECODABLE
    if is_able and {None, EXPLICIT_LITTLE}.intersection(choice.syntaxes):
        return EXPLICIT_LITTLE
    if None in choice.syntaxes and (stored == EXPLICIT_LITTLE or stored in LOSSY):
        return stored
    if (is_able or stored in NATIVE) and (named := _encodable(choice.syntaxes)):
        return named
    raise errors.NotAcceptable(
        f"An instance is stored in transfer syntax {stored} and cannot be given in another one. {_AS_STORED}"
    )


def choose_frames(request: HttpRequest, stored: str, *, is_single: bool) -> Choice:
    """The representation of frames: decoded, or in the media type of what is stored (PS3.18 Section 8.7.3.3)."""
    roots = list(dict.fromkeys([MEDIA_TYPES.get(stored, OCTETS), OCTETS]))
    if stored in rendering.DECODABLE and not _wants_stored(request):
        roots.reverse()
    if stored in NATIVE or stored in rendering.DECODABLE:
        roots = list(dict.fromkeys([*roots, *_ANEW]))
    offers = [multipart_of(root) for root in roots]
    if is_single:
        offers += [_single(root) for root in roots]
    try:
        return choose(request, offers, gives=partial(_gives_frames, stored))
    except errors.NotAcceptable:
        choose(request, offers)
        raise errors.NotAcceptable(
            f"The frames are stored in transfer syntax {stored} and cannot be given in another one. {_AS_STORED}"
        ) from None


def frame_syntax(choice: Choice, stored: str) -> str:
    """The syntax frames are given in: Little Endian words, what is stored, or a lossless one that was asked for."""
    root = part_type(choice, stored).essence
    if root == OCTETS:
        return stored if {"*", stored}.intersection(choice.syntaxes) else EXPLICIT_LITTLE
    if root == MEDIA_TYPES.get(stored) and {None, "*", stored}.intersection(choice.syntaxes):
        return stored
    return _encodable(choice.syntaxes) or _ANEW[root]


def bulk_syntax(choice: Choice, stored: str) -> str:
    """The syntax compressed pixel data are given in among other bulk data; raises NotAcceptable."""
    if choice.offer.params.get("type", choice.offer.essence) != OCTETS or {"*", stored}.intersection(choice.syntaxes):
        return frame_syntax(choice, stored)
    if stored in rendering.DECODABLE and {None, EXPLICIT_LITTLE}.intersection(choice.syntaxes):
        return EXPLICIT_LITTLE
    if None in choice.syntaxes and stored in LOSSY:
        return stored
    raise errors.NotAcceptable(
        f"Pixel data are stored in transfer syntax {stored} and cannot be given in another one. {_AS_STORED}"
    )


def part_type(choice: Choice, syntax: str) -> MediaType:
    """The type of a part, or of the only one, with the syntax its octets are in."""
    return _single(choice.offer.params.get("type", choice.offer.essence), {TRANSFER_SYNTAX: syntax})


def _gives_frames(stored: str, offer: MediaType, syntax: str | None) -> bool:
    """An octet stream is uncompressed unless its syntax, or any, was asked for by name."""
    root = offer.params.get("type", offer.essence)
    if root == OCTETS:
        is_able = stored in NATIVE or stored in rendering.DECODABLE
        return syntax in ("*", stored) or (is_able and syntax in (None, EXPLICIT_LITTLE))
    if root == MEDIA_TYPES.get(stored) and syntax in (None, "*", stored):
        return True
    return root in _ANEW and syntax in (None, _ANEW[root])


def _encodable(syntaxes: Sequence[str | None]) -> str:
    return next((syntax for syntax in syntaxes if syntax in rendering.ENCODABLE), None) or ""


def _wants_stored(request: HttpRequest) -> bool:
    texts = (request.GET.get("accept", ""), request.META.get("HTTP_ACCEPT", ""))
    ranges = chain.from_iterable(mediatypes.parse_accept(text) for text in texts)
    return any(entry.media_type.params.get(TRANSFER_SYNTAX) == "*" for entry in ranges)


def _wishes(ranges: Sequence[MediaRange], offer: MediaType) -> list[str | None]:
    """The transfer syntaxes named by the ranges that match an offer."""
    return [
        entry.media_type.params.get(TRANSFER_SYNTAX)
        for entry in ranges
        if mediatypes.negotiate([_without_syntax(entry)], [offer]) is not None
    ]


def _without_syntax(entry: MediaRange) -> MediaRange:
    params = {name: value for name, value in entry.media_type.params.items() if name != TRANSFER_SYNTAX}
    return MediaRange(MediaType(entry.media_type.type, entry.media_type.subtype, params), entry.quality)


def _with_known_name(entry: MediaRange) -> MediaRange:
    wanted = entry.media_type
    root = wanted.params.get("type", "").lower()
    params = {**wanted.params, "type": _ALIASES[root]} if root in _ALIASES else wanted.params
    essence = _ALIASES.get(wanted.essence, wanted.essence)
    return MediaRange(_single(essence, params), entry.quality)


def _single(essence: str, params: Mapping[str, str] = MappingProxyType({})) -> MediaType:
    kind, _, subtype = essence.partition("/")
    return MediaType(kind, subtype, params)
