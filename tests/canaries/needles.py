"""Texts that nobody else has, and the search for them in whatever form they could lie about."""

import base64
import os
import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from exchange import embedded
from tests.faults.tree import Tree


def plant() -> str:
    """A text that fits everywhere: a name, an identifier, the local part of an address."""
    return f"zq{secrets.token_hex(9)}"


def spellings(text: str) -> set[bytes]:
    """How a text may lie in a file: plain, in UTF-16, hexadecimal as PostgreSQL dumps it, in Base64 at any offset."""
    plain = text.encode()
    return {plain, plain.upper(), text.encode("utf-16-le"), plain.hex().encode(), *_in_base64(plain)}


def key_spellings(key: bytes) -> set[bytes]:
    return {key, key.hex().encode(), *_in_base64(key)}


def found(haystack: Mapping[str, bytes], planted: Mapping[str, set[bytes]]) -> list[str]:
    """Which of the planted texts lie where."""
    return [
        f"{label} in {place}"
        for place, content in haystack.items()
        for label, needles in planted.items()
        if any(needle in content for needle in needles)
    ]


def found_numbers(haystack: Mapping[str, bytes], numbers: Mapping[str, str]) -> list[str]:
    """The same for short numbers, which other numbers hold by chance: as a word of its own."""
    return [
        f"{label} in {place}"
        for place, content in haystack.items()
        for label, number in numbers.items()
        if re.search(rb"(?<![0-9A-Za-z.])" + number.encode() + rb"(?![0-9A-Za-z])", content)
    ]


def everything(tree: Tree, *folders: Path) -> dict[str, bytes]:
    """The dump, every file of the data folder (packs, logs, broker, the database's own files) and of other folders."""
    haystack = {"the dump": dump(tree)}
    for folder in (tree.data, *folders):
        haystack |= {str(path.relative_to(folder.parent)): content for path, content in _files(folder)}
    return haystack


def dump(tree: Tree) -> bytes:
    """All of the database as SQL."""
    postgres = embedded.Postgres(tree.data)
    address = postgres.url.replace("postgres://", "postgresql://", 1)
    command = [str(embedded.postgres_bin() / "pg_dump"), "--inserts", address]
    return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout


def _files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                if path.is_file():
                    yield path, path.read_bytes()
            except FileNotFoundError:
                continue  # a temporary file of the database


def _in_base64(plain: bytes) -> set[bytes]:
    """Without the characters that depend on what stands before and after."""
    shifted = [
        base64.b64encode(bytes(shift) + plain)[4 if shift else 0 :][: 4 * ((len(plain) - 3) // 3)] for shift in range(3)
    ]
    return {*shifted, *(text.translate(bytes.maketrans(b"+/", b"-_")) for text in shifted)}
