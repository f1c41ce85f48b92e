"""Which transfer syntax bulk data of a media type are in (DICOM PS3.18 Tables 8.7.3-2 to 8.7.3-5)."""

from typing import Final

from transfers import errors
from transfers.formats.mediatypes import TRANSFER_SYNTAX, MediaType

EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
OCTETS: Final = "application/octet-stream"
_JPEG: Final = "1.2.840.10008.1.2.4."
# The first of each is what a type without a parameter means.
SYNTAXES: Final[dict[str, tuple[str, ...]]] = {
    "image/jpeg": tuple(_JPEG + end for end in ("70", "50", "51", "57")),
    "image/dicom-rle": ("1.2.840.10008.1.2.5",),
    "image/jls": tuple(_JPEG + end for end in ("80", "81")),
    "image/jp2": tuple(_JPEG + end for end in ("90", "91")),
    "image/jpx": tuple(_JPEG + end for end in ("92", "93")),
    "image/jphc": tuple(_JPEG + end for end in ("201", "202", "203")),
    "image/jxl": tuple(_JPEG + end for end in ("110", "111", "112")),
    "video/mpeg": tuple(_JPEG + end for end in ("100", "101")),
    "video/mp4": tuple(_JPEG + end for end in ("102", "103", "104", "105", "106")),
    "video/h265": tuple(_JPEG + end for end in ("107", "108")),
}
_ALIASES: Final = {
    "image/x-jls": "image/jls",
    "image/x-dicom-rle": "image/dicom-rle",
    "image/jph": "image/jphc",
    "video/mpeg2": "video/mpeg",
}
_ALL: Final = frozenset(syntax for syntaxes in SYNTAXES.values() for syntax in syntaxes)
# A frame header names the process (ITU-T T.81 Table B.1).
_PROCESSES: Final = {0xC0: _JPEG + "50", 0xC1: _JPEG + "51"}
_LOSSLESS, _SCAN, _START = 0xC3, 0xDA, 0xD8
HEAD: Final = 1 << 16


def syntax_of(media_type: MediaType, head: bytes) -> str:
    """The transfer syntax of pixel data; `head` are its first octets, for a JPEG that does not say which it is.

    Raises UnsupportedSyntax.
    """
    named = media_type.params.get(TRANSFER_SYNTAX, "")
    essence = _ALIASES.get(media_type.essence, media_type.essence)
    if essence == OCTETS:
        if named in ("", EXPLICIT_LITTLE) or named in _ALL:
            return named or EXPLICIT_LITTLE
        raise errors.UnsupportedSyntax("Octets of pixel data are Little Endian, or in a compressed transfer syntax.")
    known = SYNTAXES.get(essence)
    if known is None or (named and named not in known):
        raise errors.UnsupportedSyntax
    if named:
        return named
    return (jpeg_syntax(head) if essence == "image/jpeg" else "") or known[0]


def is_video(syntax: str) -> bool:
    """Whether all frames are one stream."""
    return any(syntax in SYNTAXES[name] for name in ("video/mpeg", "video/mp4", "video/h265"))


def jpeg_syntax(head: bytes) -> str:
    """The syntax of a JPEG stream by its frame header, empty where that does not come in time."""
    at, is_lossless = 2, False
    if head[:2] != b"\xff\xd8":
        return ""
    while at + 4 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker in _PROCESSES:
            return _PROCESSES[marker]
        if marker == _SCAN and is_lossless:
            components = head[at + 4] if at + 4 < len(head) else 0
            predictor = head[at + 5 + 2 * components : at + 6 + 2 * components]
            return _JPEG + ("70" if predictor == b"\1" else "57")
        is_lossless = is_lossless or marker == _LOSSLESS
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return ""
