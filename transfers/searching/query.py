"""Read the parameters of a search (DICOM PS3.18 Sections 8.3.4 and 10.6.1.2)."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydicom import datadict

from transfers import errors
from transfers.searching import matching
from transfers.searching.attributes import KEYS, PATIENT_KEYS, STUDY_DATE, STUDY_TIME, UID_KEYS, Level
from transfers.searching.matching import Matcher

MAX_RESULTS: Final[dict[Level, int]] = {Level.STUDY: 1000, Level.SERIES: 5000, Level.INSTANCE: 10_000}
MAX_KEYS: Final = 64
_DIGITS: Final = 10
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_UID_LIST: Final = re.compile(r"[0-9.]{1,64}(?:[,\\][0-9.]{1,64})*")
_UNSUPPORTED: Final = {
    "fuzzymatching": "The fuzzymatching parameter is not supported. Only literal matching has been performed.",
    "emptyvaluematching": (
        "The emptyvaluematching parameter is not supported. Empty Value Matching has not been performed."
    ),
    "multiplevaluematching": (
        "The multiplevaluematching parameter is not supported. Multiple Value Matching has not been performed."
    ),
}


Values = Callable[[str], Sequence[str]]
"""Gives the values of a record at a path of tags."""


@dataclass(frozen=True, slots=True)
class Key:
    """One attribute that must match; a key without value matches everything and is returned."""

    level: Level
    path: str
    value: str
    matches: Matcher


@dataclass(frozen=True, slots=True)
class Query:
    """A search that was read: UIDs are looked up in columns, other keys in opened records."""

    level: Level
    levels: frozenset[Level]
    uids: Mapping[str, frozenset[str]]
    keys: tuple[Key, ...]
    included: frozenset[str]
    includes_all: bool
    limit: int
    offset: int
    warnings: tuple[str, ...] = field(default=())

    def keys_of(self, level: Level) -> tuple[Key, ...]:
        return tuple(key for key in self.keys if key.level == level and key.value)

    def acceptor(self, level: Level) -> Callable[[Values], bool]:
        """A test of whether what `values` gives for a path matches every key of a level.

        A range of dates with a range of times is one span from the first moment to the last.
        """
        keys = self.keys_of(level)
        span = _span(keys)
        if span is not None:
            keys = tuple(key for key in keys if key.path not in (STUDY_DATE, STUDY_TIME))

        def accepts(values: Values) -> bool:
            for key in keys:
                if not any(map(key.matches, values(key.path))):
                    return False
            return span is None or span[0] <= matching.moment(values(STUDY_DATE), values(STUDY_TIME)) <= span[1]

        return accepts


def parse(level: Level, pairs: Iterable[tuple[str, str]], *, levels: Iterable[Level]) -> Query:
    """Read a query string for a resource that may be searched by keys of `levels`.

    Raises BadRequest for what the standard does not know or does not allow here; what it knows and we do not
    search by is left out with a warning.
    """
    reader = _Reader(level, frozenset(levels))
    for name, value in pairs:
        reader.take(name, value)
    return reader.query()


def matching_keys(levels: Iterable[Level]) -> list[tuple[str, str]]:
    """What a resource of these levels may be searched by, as paths of tags and as paths of keywords."""
    paths = [*PATIENT_KEYS, *(path for level in levels for path in KEYS[level])]
    return [(path, _keyword(path)) for path in paths]


class _Reader:
    def __init__(self, level: Level, levels: frozenset[Level]) -> None:
        self._level, self._levels = level, levels
        self._seen: set[str] = set()
        self._uids: dict[str, frozenset[str]] = {}
        self._keys: list[Key] = []
        self._returned: set[str] = set()
        self._asked: set[str] = set()
        self._all = False
        self._numbers = {"limit": MAX_RESULTS[level], "offset": 0}
        self._warnings: list[str] = []

    def take(self, name: str, value: str) -> None:
        if name == "accept":
            return
        if name == "includefield":
            self._include(value)
            return
        if name in self._seen or len(self._seen) >= MAX_KEYS:
            raise errors.BadRequest("A parameter may be given only once.")
        self._seen.add(name)
        if name in self._numbers:
            self._numbers[name] = _unsigned(value, at_most=self._numbers[name] if name == "limit" else None)
        elif name in _UNSUPPORTED:
            if value not in ("true", "false"):
                raise errors.BadRequest(f"The value of {name} is true or false.")
            if value == "true":
                self._warnings.append(_UNSUPPORTED[name])
        else:
            self._match(name, value)

    def query(self) -> Query:
        if self._all and self._asked:
            raise errors.BadRequest("includefield=all stands alone.")
        return Query(
            level=self._level,
            levels=self._levels,
            uids=self._uids,
            keys=tuple(self._keys),
            included=frozenset(self._returned | self._asked),
            includes_all=self._all,
            limit=self._numbers["limit"],
            offset=self._numbers["offset"],
            warnings=tuple(self._warnings),
        )

    def _match(self, name: str, value: str) -> None:
        path = _path(name)
        if any(key.path == path for key in self._keys) or path in self._uids:
            raise errors.BadRequest("An attribute may be given only once.")
        for level, keys in KEYS.items():
            if path in keys:
                if level not in self._levels:
                    raise errors.BadRequest(f"{_keyword(path)} is no matching key of this resource.")
                self._add(level, path, keys[path], value)
                return
        if path in PATIENT_KEYS:
            self._add(Level.STUDY, path, PATIENT_KEYS[path], value)
            return
        self._returned.add(path.partition(".")[0])
        if value:
            self._warnings.append(f"{_keyword(path)} is not supported as a matching key and was not matched.")

    def _add(self, level: Level, path: str, vr: str, value: str) -> None:
        if value and path in UID_KEYS:
            if not _UID_LIST.fullmatch(value):
                raise errors.BadRequest(f"{_keyword(path)} takes a UID, or several with commas between them.")
            self._uids[path] = frozenset(re.split(r"[,\\]", value))
        else:
            # PS3.4 Section C.2.2.2.4: a key of nothing but `*` is as good as one without a value.
            value = "" if vr in matching.WILDCARDS and not value.strip("*") else value
            self._keys.append(Key(level, path, value, matching.matcher(vr, value) if value else bool))
        if level <= self._level:
            self._returned.add(path.partition(".")[0])

    def _include(self, value: str) -> None:
        for name in value.split(","):
            if name.strip() == "all":
                self._all = True
            elif name.strip():
                self._asked.add(_path(name.strip()).partition(".")[0])


def _span(keys: Iterable[Key]) -> tuple[str, str] | None:
    """First and last moment, where both a range of study dates and one of study times are asked for."""
    ranges = {key.path: key.value for key in keys if key.path in (STUDY_DATE, STUDY_TIME) and "-" in key.value}
    if len(ranges) < 2:
        return None
    first_day, last_day = matching.date_range(ranges[STUDY_DATE])
    first_time, last_time = matching.time_range(ranges[STUDY_TIME])
    return first_day + first_time, last_day + last_time


def _path(name: str) -> str:
    """Tags with dots between them, from tags or keywords; raises BadRequest for what no one knows."""
    return ".".join(_tag(part) for part in name.split("."))


def _tag(name: str) -> str:
    if _TAG.fullmatch(name):
        return name.upper()
    tag = datadict.tag_for_keyword(name) if name else None  # the dictionary has an entry without a keyword
    if tag is None:
        raise errors.BadRequest("A parameter of the query is unknown. Use keywords or tags of eight digits.")
    return f"{tag:08X}"


def _keyword(path: str) -> str:
    return ".".join(datadict.keyword_for_tag(int(tag, 16)) or tag for tag in path.split("."))


def _unsigned(value: str, *, at_most: int | None) -> int:
    if not (value.isascii() and value.isdigit()):
        raise errors.BadRequest("limit and offset are whole numbers, without a sign.")
    number = int(value) if len(value) <= _DIGITS else 10**_DIGITS  # behind the end of any list
    return number if at_most is None else min(number, at_most)
