"""Bodies of Store requests, whole and broken (DICOM PS3.18 Section 10.5.2; RFC 2046 Section 5.1.1)."""

from collections.abc import Sequence
from random import Random
from typing import Final

from tests.fuzz import models

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


def make(rng: Random, files: Sequence[bytes]) -> tuple[bytes, str]:
    """A body and its Content-Type."""
    kind = rng.choices((_bare, _multipart, _model, _noise), weights=(15, 42, 35, 8))[0]
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
    root, parts = models.make(rng)
    return (parts[0][1], root) if rng.random() < 0.1 else _enclosed(rng, parts, root=root)


def _enclosed(rng: Random, parts: Sequence[tuple[str, bytes]], *, root: str) -> tuple[bytes, str]:
    """Parts within a boundary, which one time in three is not done by the book."""
    boundary = rng.choice(BOUNDARIES) if rng.random() < 0.2 else "next-part"
    delimiter, end = b"--" + boundary.encode("latin-1"), b"\r\n"
    broken = rng.choice(("end", "preamble", "lf", "cut", "headers", "long", "names")) if rng.random() < 0.33 else ""
    if broken == "lf":
        end = b"\n"
    body = b"preamble\r\n" if broken == "preamble" else b""
    for kind, content in parts:
        headers = [f"Content-Type: {kind}".encode("latin-1")] if kind else []
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
