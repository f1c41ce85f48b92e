"""Media types, their parameters and their negotiation (RFC 9110 Sections 8.3 and 12.5.1; DICOM PS3.18 8.7).

A DICOM type carries two parameters that choose as much as its name: `type`, the root type of a
multipart, and `transfer-syntax`. Quoted strings are read as such: a boundary may hold a semicolon.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from transfers import errors

_TCHARS = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf"\s*({_TCHARS})/({_TCHARS})\s*")
# A bare `type=application/dicom` is no token, but what most clients send: a slash is let pass.
_PARAMETER = re.compile(rf'\s*;\s*(?:({_TCHARS})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))\s*)?')
_SPLIT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_EMPTY: Mapping[str, str] = MappingProxyType({})
MAX_HEADER = 8192
MULTIPART = ("multipart", "related")
TRANSFER_SYNTAX = "transfer-syntax"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type; names in lower case, parameter values as they were written."""

    type: str
    subtype: str
    params: Mapping[str, str] = field(default_factory=lambda: _EMPTY)

    @property
    def essence(self) -> str:
        return f"{self.type}/{self.subtype}"

    def __str__(self) -> str:
        return self.essence + "".join(f"; {name}={_written(value)}" for name, value in self.params.items())


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of an Accept header: a media type, perhaps with wildcards, and its weight."""

    media_type: MediaType
    quality: float


def parse_media_type(text: str) -> MediaType:
    """Read a Content-Type; raises UnsupportedMediaType if it cannot be read.

    Reference: RFC 9110 Section 8.3.1.
    """
    parsed = _parse(text)
    if parsed is None or "*" in (parsed.type, parsed.subtype):
        raise errors.UnsupportedMediaType("The Content-Type cannot be read.")
    return parsed


def parse_accept(header: str) -> list[MediaRange]:
    """The entries of an Accept header in their order; malformed ones are left out (PS3.18 Section 8.7.5)."""
    ranges = []
    for text in _SPLIT.findall(header[:MAX_HEADER]):
        parsed = _parse(text)
        if parsed is None or (parsed.type == "*" and parsed.subtype != "*"):
            continue
        params = dict(parsed.params)
        quality = params.pop("q", "1")
        if _QUALITY.fullmatch(quality):
            media_type = MediaType(parsed.type, parsed.subtype, MappingProxyType(params))
            ranges.append(MediaRange(media_type, float(quality)))
    return ranges


def negotiate(ranges: Iterable[MediaRange], offers: Iterable[MediaType]) -> MediaType | None:
    """The offer the caller likes best, None if none is acceptable; of equals the first offered.

    Each offer has the weight of the most specific range that matches it (RFC 9110 Section 12.5.1),
    and weight 0 excludes it. An offer's `transfer-syntax` is matched by that syntax, by `*`, and by a
    range that names none: what a resource gives by default is for the caller to offer first
    (PS3.18 Section 8.7.3.5.2).
    """
    ranges = list(ranges)
    best: MediaType | None = None
    best_quality = 0.0
    for offer in offers:
        matching = [(_specificity(entry.media_type), entry.quality) for entry in ranges if _matches(entry, offer)]
        quality = max(matching, default=((0,), 0.0))[1]
        if quality > best_quality:
            best, best_quality = offer, quality
    return best


def _parse(text: str) -> MediaType | None:
    head = _TYPE.match(text)
    if head is None or len(text) > MAX_HEADER:
        return None
    params: dict[str, str] = {}
    at = head.end()
    while at < len(text):
        found = _PARAMETER.match(text, at)
        if found is None:
            return None
        name, quoted, bare = found.groups()
        if name is not None:
            if name.lower() in params:
                return None
            params[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if bare is None else bare
        at = found.end()
    return MediaType(head[1].lower(), head[2].lower(), MappingProxyType(params))


def _matches(entry: MediaRange, offer: MediaType) -> bool:
    wanted = entry.media_type
    if not _covers(wanted.essence, offer.essence.lower()):
        return False
    if "type" in wanted.params and not _covers(wanted.params["type"].lower(), offer.params.get("type", "").lower()):
        return False
    syntax = wanted.params.get(TRANSFER_SYNTAX, "*")
    return syntax in ("*", offer.params.get(TRANSFER_SYNTAX, "*"))


def _covers(pattern: str, essence: str) -> bool:
    if pattern in ("*/*", essence):
        return True
    return pattern.endswith("/*") and essence.startswith(pattern[:-1])


def _specificity(wanted: MediaType) -> tuple[int, ...]:
    """How closely a range describes what it matches: name, root type, transfer syntax, in this order."""
    root = wanted.params.get("type", "*/*")
    syntax = wanted.params.get(TRANSFER_SYNTAX)
    named = 0 if syntax is None else 1 if syntax == "*" else 2
    return (_exactness(wanted.essence), _exactness(root), named)


def _exactness(essence: str) -> int:
    return 0 if essence == "*/*" else 1 if essence.endswith("/*") else 2


def _written(value: str) -> str:
    """As a token where that is possible (RFC 9110 Section 5.6.6)."""
    if re.fullmatch(_TCHARS, value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
