"""Reports and other objects without pixels as pages (DICOM PS3.18 Section 8.7.4; PS3.3 Section C.17.3).

Read from the DICOM JSON Model (PS3.18 Annex F), whose text is Unicode whatever the object was written in. Every text is
escaped; nothing recurses.
"""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

Json = Any  # DICOM JSON: whatever a sender wrote

_HEAD: Final = (
    ("Document", "00420010"),
    ("Type", "00420012"),
    ("Patient", "00100010"),
    ("Patient ID", "00100020"),
    ("Birth date", "00100030"),
    ("Study", "00081030"),
    ("Study date", "00080020"),
    ("Accession", "00080050"),
    ("Content date", "00080023"),
    ("Completion", "0040A491"),
    ("Verification", "0040A493"),
)
_NAME, _MEANING, _TYPE, _CONTENT = "0040A043", "00080104", "0040A040", "0040A730"
_TEXTS: Final = {
    "TEXT": "0040A160",
    "DATETIME": "0040A120",
    "DATE": "0040A121",
    "TIME": "0040A122",
    "PNAME": "0040A123",
    "UIDREF": "0040A124",
}
_MAX_ITEMS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Line:
    """A content item: how deep it lies, what it is called, what it says."""

    depth: int
    name: str
    value: str


def as_html(record: Json, *, document: str = "") -> str:
    """A page that holds no script, no style of its own and no link."""
    title = html.escape(_title(record))
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{_broken(value)}</td></tr>" for name, value in _facts(record))
    items = "".join(
        f'<p style="margin-left:{min(line.depth, 20)}em"><b>{html.escape(line.name)}</b> {_broken(line.value)}</p>'
        for line in content(record)
    )
    words = f"<pre>{html.escape(document)}</pre>" if document else ""
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h1>{title}</h1><table>{rows}</table>{items}{words}</body></html>\n"
    )


def as_text(record: Json, *, document: str = "") -> str:
    """The same in plain lines."""
    lines = [_title(record), ""]
    lines += [f"{name}: {value}" for name, value in _facts(record)]
    lines.append("")
    lines += [f"{'  ' * min(line.depth, 20)}{line.name}: {line.value}".rstrip(": ") for line in content(record)]
    return "\n".join([*lines, document]).rstrip() + "\n"


def content(record: Json) -> Iterator[Line]:
    """The content tree in reading order (PS3.3 Section C.17.3.1)."""
    waiting: list[tuple[int, Json]] = [(0, item) for item in reversed(values(record, _CONTENT))]
    left = _MAX_ITEMS
    while waiting and left:
        depth, item = waiting.pop()
        left -= 1
        yield Line(depth, _meaning(item, _NAME), _said(item))
        waiting += [(depth + 1, inner) for inner in reversed(values(item, _CONTENT))]


def values(item: Json, tag: str) -> list[Json]:
    """The values of an element; nothing where it is absent or malformed."""
    element = item.get(tag) if isinstance(item, dict) else None
    found = element.get("Value") if isinstance(element, dict) else None
    return found if isinstance(found, list) else []


def _title(record: Json) -> str:
    return _meaning(record, _NAME) or _text(record, "00420010") or "DICOM object"


def _facts(record: Json) -> list[tuple[str, str]]:
    return [(name, value) for name, tag in _HEAD if (value := _text(record, tag))]


def _said(item: Json) -> str:
    kind = _text(item, _TYPE)
    if kind in _TEXTS:
        return _text(item, _TEXTS[kind])
    if kind == "CODE":
        return _meaning(item, "0040A168")
    if kind == "NUM":
        measured: Json = next(iter(values(item, "0040A300")), {})
        return f"{_text(measured, '0040A30A')} {_meaning(measured, '004008EA')}".strip()
    if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        reference: Json = next(iter(values(item, "00081199")), {})
        return f"[{kind.lower()} {_text(reference, '00081155')}]"
    return "" if kind in ("CONTAINER", "") else f"[{kind.lower()}]"


def _meaning(item: Json, tag: str) -> str:
    return _text(next(iter(values(item, tag)), {}), _MEANING)


def _text(item: Json, tag: str) -> str:
    return ", ".join(text for value in values(item, tag) if (text := _plain(value)))


def _plain(value: Json) -> str:
    if isinstance(value, dict):  # PS3.18 Annex F.2.3: groups of a person's name
        return " = ".join(str(part) for part in value.values() if isinstance(part, str) and part)
    return "" if value is None or isinstance(value, list) else str(value)


def _broken(text: str) -> str:
    return "<br>".join(html.escape(text).splitlines())
