"""Whether a value matches a key (DICOM PS3.4 Section C.2.2.2, as PS3.18 Section 8.3.4.2 takes it over)."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from transfers import errors

Record = Mapping[str, Any]  # Any: one data set of the DICOM JSON Model (PS3.18 Annex F)
Matcher = Callable[[str], bool]

_DATE: Final = re.compile(r"\d{8}")
_TIME: Final = re.compile(r"(\d{2})(\d{2})?(\d{2})?(?:\.(\d{1,6}))?")
WILDCARDS: Final = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_FEW_STARS: Final = 2
_FIRST_TIME, _LAST_TIME = "000000.000000", "235959.999999"


def matcher(vr: str, value: str) -> Matcher:
    """What a value must be like; raises BadRequest where the key cannot be read.

    Names match without regard to case, which the standard leaves open. `*` and `?` are wildcards in texts, and
    nowhere else.
    """
    if vr == "UI":
        return frozenset(re.split(r"[,\\]", value)).__contains__
    if vr == "DA":
        return _between(*date_range(value))
    if vr == "TM":
        first, last = time_range(value)
        return lambda found: first <= _moment(found) <= last
    if vr == "IS":
        return _same_number(value)
    if vr == "PN":
        return _text_matcher(_folded(value), fold=_folded)
    if vr in WILDCARDS:
        return _text_matcher(value.strip(" "), fold=lambda found: found.strip(" "))
    raise errors.BadRequest("This attribute is no matching key.")


def date_range(value: str) -> tuple[str, str]:
    """First and last day of `20260101`, `20260101-`, `-20260131` or `20260101-20260131`."""
    first, dash, last = value.partition("-")
    if not (first or last) or any(part and not _DATE.fullmatch(part) for part in (first, last)):
        raise errors.BadRequest("A date is written YYYYMMDD, a range of dates YYYYMMDD-YYYYMMDD.")
    return (first or "00000000", last or "99999999") if dash else (first, first)


def time_range(value: str) -> tuple[str, str]:
    """First and last moment of a time or a range of times; `10` is the whole hour."""
    first, dash, last = value.partition("-")
    if not (first or last) or any(part and not _TIME.fullmatch(part) for part in (first, last)):
        raise errors.BadRequest("A time is written HHMMSS, or shorter; a range of times HHMMSS-HHMMSS.")
    start = _moment(first) if first else _FIRST_TIME
    if not dash:
        return start, _moment(first, upper=True)
    return start, _moment(last, upper=True) if last else _LAST_TIME


def values(record: Record, path: str) -> Iterator[str]:
    """The values at a path of tags, as text: each of several, each group of a name, and a name as it was written."""
    tag, _, rest = path.partition(".")
    for value in record.get(tag, {}).get("Value", ()):
        if rest:
            if isinstance(value, dict):
                yield from values(value, rest)
        elif isinstance(value, dict):
            yield from _written(value)
        elif value is not None:
            yield str(value)


def _written(name: Record) -> Iterator[str]:
    """Any group of a name may be what is asked for, and all of them with `=` between (PS3.5 Section 6.2)."""
    groups = [str(name.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")]
    yield from filter(None, groups)
    if any(groups[1:]):
        yield "=".join(groups).rstrip("=")


def moment(dates: Sequence[str], times: Sequence[str]) -> str:
    """Date and time as one text that sorts, empty where there is no date."""
    return dates[0] + _moment(times[0] if times else "") if dates else ""


def _between(first: str, last: str) -> Matcher:
    return lambda found: first <= found <= last


def _moment(text: str, *, upper: bool = False) -> str:
    """A time in full, its missing parts at their least or their greatest."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return ""
    hours, minutes, seconds, fraction = found.groups()
    filling = ("59", "59", "9") if upper else ("00", "00", "0")
    return f"{hours}{minutes or filling[0]}{seconds or filling[1]}.{(fraction or '').ljust(6, filling[2])}"


def _same_number(value: str) -> Matcher:
    try:
        number = int(value)
    except ValueError:
        raise errors.BadRequest("This key takes a whole number.") from None
    return lambda found: found.strip().lstrip("+").lstrip("0").rjust(1, "0") == str(number) or found == str(number)


def _text_matcher(wanted: str, *, fold: Callable[[str], str]) -> Matcher:
    if "*" not in wanted and "?" not in wanted:
        return lambda found: fold(found) == wanted
    if wanted.count("*") <= _FEW_STARS:
        compiled = re.compile(re.escape(wanted).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
        return lambda found: compiled.fullmatch(fold(found)) is not None
    return lambda found: _matches_pattern(fold(found), wanted)


def _folded(name: str) -> str:
    """Case and empty components at the end of a name mean nothing (PS3.5 Section 6.2.1)."""
    return name.casefold().strip(" ").rstrip("^")


def _matches_pattern(text: str, pattern: str) -> bool:
    """`*` for any run of characters and `?` for one, in time proportional to both lengths multiplied at worst.

    A regular expression, faster for few stars, would take for ever on many.
    """
    at = place = 0
    star, resume = -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, resume = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at += 1
            place += 1
        elif star >= 0:
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return not pattern[place:].strip("*")
