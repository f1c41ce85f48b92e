"""Content that acts when it is opened: scripts in documents, programs in binary values.

Runs in the sandbox. It looks for what readers would run, not for malware: that is a scanner's work.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from typing import Final

MAX_INFLATED: Final = 64 << 20
MIN_PROGRAM: Final = 4096

PROGRAM, SCRIPT, LAUNCH = "program", "script", "launch"

_STREAM = re.compile(rb"(<<[^\0]{0,4096}?>>)\s*stream\r?\n(.*?)endstream", re.DOTALL)
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
# ISO 32000-1 Section 12.6.4: actions of type JavaScript and Launch. A bare OpenAction is where reading begins.
_PDF_SCRIPT = re.compile(rb"/(?:JavaScript|JS)(?=[\s(<\[/])")
_PDF_LAUNCH = re.compile(rb"/Launch(?=[\s(<\[/>])")
_MARKUP_SCRIPT = re.compile(
    r"<\s*(?:\w+:)?(?:script|iframe|object|embed|applet)\b|javascript\s*:|vbscript\s*:|<[^>]{1,2000}\son[a-z]{3,20}\s*=\s*[\"']",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"<!ENTITY", re.IGNORECASE)
# HL7 CDA Release 2 Section 4.3.1.1: a body that is not XML stands there in base64.
_NON_XML_BODY = re.compile(rb"<nonXMLBody.{0,200}?<text[^>]{0,400}>([A-Za-z0-9+/=\s]+)</text>", re.DOTALL)
_MACHO = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")


def of_document(content: bytes, *, media_type: str) -> str:
    """What a document would do when opened: script, launch or program; empty for nothing known."""
    kind = media_type.partition(";")[0].strip().lower()
    if content[:1024].find(b"%PDF-") >= 0 or kind == "application/pdf":
        return _pdf(content)
    if kind.endswith(("xml", "html")) or content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return _markup(content)
    return of_binary(content)


def of_binary(content: bytes) -> str:
    """Whether a binary value begins as a program would: Windows, Linux, macOS, a script."""
    if len(content) <= MIN_PROGRAM:
        return ""
    if content.startswith((b"\x7fELF", b"#!/", *_MACHO)) or _is_windows_program(content):
        return PROGRAM
    return ""


def _is_windows_program(content: bytes) -> bool:
    """Two letters begin too many things: the header they point to must be there as well."""
    if not content.startswith(b"MZ"):
        return False
    at = int.from_bytes(content[60:64], "little")
    return content[at : at + 4] == b"PE\0\0" or b"This program" in content[:512]


def _pdf(content: bytes) -> str:
    """Names may be written with escapes (ISO 32000-1 Section 7.3.5) or lie in object streams (Section 7.5.7)."""
    for piece in _pdf_pieces(content):
        plain = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), piece)
        if _PDF_SCRIPT.search(plain):
            return SCRIPT
        if _PDF_LAUNCH.search(plain):
            return LAUNCH
    return ""


def _pdf_pieces(content: bytes) -> Iterator[bytes]:
    """What lies outside streams, then each object stream; pictures and fonts hold any three letters by chance."""
    yield _STREAM.sub(rb"\1", content)
    left = MAX_INFLATED
    for match in _STREAM.finditer(content):
        if b"ObjStm" in _ESCAPED.sub(lambda escape: bytes([int(escape[1], 16)]), match[1]):
            inflated = _inflate(match[2], left)
            left -= len(inflated)
            yield inflated
        if left <= 0:
            return


def _inflate(data: bytes, limit: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, limit)
    except zlib.error:
        return data


def _markup(content: bytes) -> str:
    """HTML, and XML that a browser would show with a style sheet (CDA)."""
    text = _decoded(content)
    if _MARKUP_SCRIPT.search(text) or _ENTITY.search(text):
        return SCRIPT
    for match in _NON_XML_BODY.finditer(content):
        try:
            body = base64.b64decode(match[1], validate=False)
        except binascii.Error:
            continue
        if found := of_document(body, media_type=""):
            return found
    return ""


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    if content[:4] in (b"<\0?\0", b"\0<\0?"):
        return content.decode("utf-16-le" if content[0] else "utf-16-be", "replace")
    return content.decode("utf-8", "replace")
