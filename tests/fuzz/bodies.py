"""Bodies of Store requests, whole and broken (DICOM PS3.18 Section 10.5.2; RFC 2046 Section 5.1.1)."""

import json
from collections.abc import Sequence
from random import Random
from typing import Final

BOUNDARIES: Final = ("b", "a'()+_,-./:=?b", "x" * 70, "x" * 71, "x" * 300, " ", "--", "a b", "\xe9", "b\x7f", "")
PART_TYPES: Final = (
    "application/dicom",
    "application/dicom",
    "application/dicom+json",
    "image/jpeg",
    "",
    "x",
    "a/b; c=",
)
ROOTS: Final = (
    *["application/dicom"] * 8,
    *("application/dicom+json", "application/dicom+xml", "application/octet-stream", "APPLICATION/DICOM", "", "x"),
)
_EMPTY_MODEL: Final = b'<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM"/>'
XML: Final = (
    _EMPTY_MODEL,
    b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
    b"<x" + b"<y>" * 5000,
    b"\xff\xfe<\x00",
    b"",
    b'<NativeDicomModel><DicomAttribute tag="00080018" vr="UI"><Value number="1">1.2</Value></DicomAttribute>',
)
_VALUES: Final[tuple[object, ...]] = (
    *("1.2.3", "", None, [], {}, True, 1, -1.5, 1e308, "x" * 5000, "\u0000", [[]], [None], [{}], ["1.2.3"]),
    *([{"Alphabetic": 1}], [{"Alphabetic": "A^B"}], [1e999]),
)


def make(rng: Random, files: Sequence[bytes]) -> tuple[bytes, str]:
    """A body and its Content-Type."""
    kind = rng.choices((_bare, _multipart, _model, _noise), weights=(20, 55, 17, 8))[0]
    return kind(rng, files)


def mutated(rng: Random, file: bytes) -> bytes:
    """A file with a few octets that are not as they were; most of the changes are in its header."""
    data = bytearray(file)
    for _ in range(rng.choice((1, 1, 2, 4, 12))):
        at = rng.randrange(min(len(data), rng.choice((400, 1500, 1 << 30)))) if data else 0
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                data[at : at + 4] = rng.choice(
                    (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xfe\xff\0\xe0", b"\xff\xff\xff\x7f")
                )
            case 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 3:
                del data[at : at + rng.randrange(1, 9)]
            case 4:
                data[at : at + 2] = rng.choice((b"SQ", b"UN", b"OB", b"UI", b"DS", b"zz", b"\0\0"))
            case _:
                del data[at:]
    return bytes(data)


def _bare(rng: Random, files: Sequence[bytes]) -> tuple[bytes, str]:
    return _content(rng, files), rng.choice(
        ("application/dicom", "application/dicom; transfer-syntax=*", "APPLICATION/DICOM")
    )


def _content(rng: Random, files: Sequence[bytes]) -> bytes:
    chosen = rng.choice(files)
    return rng.choice(
        (chosen, mutated(rng, chosen), mutated(rng, chosen), mutated(rng, chosen), b"", rng.randbytes(300))
    )


def _multipart(rng: Random, files: Sequence[bytes]) -> tuple[bytes, str]:
    contents = [_content(rng, files) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    return _enclosed(rng, [(rng.choice(PART_TYPES), content) for content in contents], root=rng.choice(ROOTS))


def _model(rng: Random, files: Sequence[bytes]) -> tuple[bytes, str]:
    """Metadata with bulk data beside them (PS3.18 Section 10.5.2): seldom what they should be."""
    if rng.random() < 0.3:
        kind, document = "application/dicom+xml", rng.choice(XML)
    else:
        kind, document = "application/dicom+json", _json(rng)
    if rng.random() < 0.2:
        return document, kind
    parts = [(kind, document), *[("application/octet-stream", rng.randbytes(64))] * rng.randrange(3)]
    return _enclosed(rng, parts, root=kind)


def _json(rng: Random) -> bytes:
    def element() -> object:
        vr = rng.choice(("UI", "SQ", "PN", "OB", "OW", "DS", "US", "AT", "XX", "", "ui", 1))
        key = rng.choice(("Value", "Value", "InlineBinary", "BulkDataURI", "value"))
        return rng.choice(({"vr": vr, key: rng.choice(_VALUES)}, {"vr": vr}, {}, rng.choice(_VALUES)))

    uids = {
        tag: {"vr": "UI", "Value": [f"1.2.{rng.randrange(1 << 30)}"]} for tag in ("00080018", "0020000D", "0020000E")
    }
    uids["00080016"] = {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]}
    record: dict[str, object] = {
        **uids,
        **{f"{rng.randrange(1 << 32):08X}": element() for _ in range(rng.randrange(8))},
    }
    if rng.random() < 0.3:
        record[rng.choice(list(record))] = element()
    text = json.dumps(rng.choice(([record], [record, record], record, [], [[]], [record, None], "x")))
    return rng.choice((text, text, text, text[:-1], text + "]", "[" * 5000, "", "{" + '"a":' * 3000)).encode()


def _enclosed(rng: Random, parts: Sequence[tuple[str, bytes]], *, root: str) -> tuple[bytes, str]:
    """Parts within a boundary, which one time in three is not done by the book."""
    boundary = rng.choice(BOUNDARIES) if rng.random() < 0.2 else "next-part"
    delimiter, end = b"--" + boundary.encode("latin-1"), b"\r\n"
    broken = rng.choice(("end", "preamble", "lf", "cut", "headers", "long", "names")) if rng.random() < 0.33 else ""
    if broken == "lf":
        end = b"\n"
    body = b"preamble\r\n" if broken == "preamble" else b""
    for kind, content in parts:
        headers = [f"Content-Type: {kind}".encode()] if kind else []
        if broken == "headers":
            headers = rng.choice(([], [b"x"], [b": x"], [b"Content-Type"], [b"\xff: \xff"], [b"Content-Length: 5"]))
        if broken == "long":
            headers += [b"X: " + b"y" * 20_000]
        if broken == "names":
            headers += [b"Content-Location: ../%00\xe9", b"Content-Transfer-Encoding: base64"]
        body += delimiter + end + b"".join(line + end for line in headers) + end + content + end
    body += delimiter + (b"" if broken == "end" else b"--" + end)
    if broken == "cut" and body:
        body = body[: rng.randrange(len(body))]
    quoted = rng.choice((f'"{boundary}"', boundary))
    return body, rng.choice(
        (f'multipart/related; type="{root}"; boundary={quoted}', f"multipart/related; boundary={quoted}")
    )


def _noise(rng: Random, files: Sequence[bytes]) -> tuple[bytes, str]:
    content_type = rng.choice(
        ("", "x", "text/plain", "multipart/form-data; boundary=b", "multipart/related", "application/json")
    )
    return rng.randbytes(rng.randrange(2000)), content_type
