"""Documents that act when they are opened, and those that only say something."""

import zlib

import pytest

from transfers import sandbox
from transfers.sandbox import activity


def pdf(body: bytes) -> bytes:
    return b"%PDF-1.7\n1 0 obj\n" + body + b"\nendobj\n"


def object_stream(content: bytes) -> bytes:
    return pdf(b"<< /Type /ObjStm /Filter /FlateDecode >> stream\n" + zlib.compress(content) + b"\nendstream")


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (pdf(b"<< /S /JavaScript /JS (app.alert(1)) >>"), "application/pdf"),
        (pdf(b"<< /S /Java#53cript >>"), "application/pdf"),
        (pdf(b"<< /S /Launch /F (calc.exe) >>"), "application/pdf"),
        (object_stream(b"<< /S /JavaScript >>"), "application/pdf"),
        (pdf(b"<< /S /JavaScript >>"), "text/plain"),
        (b"<html><ScRiPt>alert(1)</script>", "text/html"),
        (b"<ClinicalDocument><img onerror='x()'/></ClinicalDocument>", "text/xml"),
        ("\ufeff<a href='javascript:x()'>".encode("utf-16-le"), "text/html"),
        (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>", "text/xml"),
        (b"\x7fELF" + bytes(5000), "application/octet-stream"),
    ],
)
def test_documents_that_act_are_found(content: bytes, media_type: str) -> None:
    assert sandbox.inspect(content, media_type=media_type)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (pdf(b"<< /Type /Catalog /OpenAction [3 0 R /Fit] /JSomething 1 >>"), "application/pdf"),
        (pdf(b"<< /Length 20 >> stream\n\x00/JS (\xff/JavaScript \nendstream"), "application/pdf"),
        (
            b"<?xml-stylesheet href='CDA.xsl'?><ClinicalDocument><text>on call = yes</text></ClinicalDocument>",
            "text/xml",
        ),
        ("Befund: unauffällig <5 mm".encode(), "text/plain"),
    ],
)
def test_documents_that_only_say_something_are_let_pass(content: bytes, media_type: str) -> None:
    assert sandbox.inspect(content, media_type=media_type) == ""


def test_two_letters_are_no_program() -> None:
    assert activity.of_binary(b"MZ" + bytes(5000)) == ""
