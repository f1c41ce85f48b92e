"""What the requests of `grammar` are made of: right, odd and wrong values of every place in a request.

DICOM PS3.18 Tables 8.3.4-1, 8.7.3-1 to 8.7.3-6, 9.1-1, 10.4.1-1 and 10.6.1-1 to 10.6.1-5; RFC 9110.
"""
# Tables, and letters that only look like digits on purpose.
# ruff: noqa: E501, RUF001
# fmt: off

from typing import Final

NO_TRANSFER: Final = "00000000-0000-4000-8000-000000000000"
METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "BREW")
_SERIES: Final = "/studies/{study}/series/{series}"
_INSTANCE: Final = f"{_SERIES}/instances/{{instance}}"
RESOURCES: Final = (
    "/studies/{study}",
    _SERIES,
    _INSTANCE,
    *(f"{level}/{what}" for level in ("/studies/{study}", _SERIES) for what in ("metadata", "rendered", "thumbnail")),
    *(f"{_INSTANCE}/{what}" for what in ("metadata", "rendered", "rendered", "thumbnail", "bulkdata", "pixeldata")),
    *("/studies/{study}/bulkdata", "/studies/{study}/pixeldata", f"{_SERIES}/bulkdata", f"{_SERIES}/pixeldata"),
    *[f"{_INSTANCE}/frames/{{frames}}"] * 4,
    *[f"{_INSTANCE}/frames/{{frames}}/rendered"] * 2,
    f"{_INSTANCE}/frames/{{frames}}/thumbnail",
    *[f"{_INSTANCE}/bulkdata/{{bulk}}"] * 3,
)
SEARCHES: Final = (
    *("/studies", "/series", "/instances"),
    *("/studies/{study}/series", "/studies/{study}/instances", f"{_SERIES}/instances"),
)
SEGMENTS: Final = ("studies", "series", "instances", "frames", "1", "1.2.3", "metadata", "rendered", "bulkdata", "..")
UIDS: Final = (
    *("", "1", "0", "1.2", "1.02.3", "1.2.", ".1", "1..2", "-1", "1" * 64, "1" * 65, "1." * 3000 + "1"),
    *("1.2.840.10008.1.2", "x", "*", "?", "1.2,1.3", "1.2\\1.3", "1 2", "1\n2", "\x00", "\x7f", "é", "１.２", "𝟙"),
    *(
        "../../..",
        "..",
        "%2e%2e",
        "a/b",
        "'; SELECT 1; --",
        "${x}",
        "{study}",
        "\udcff".encode(errors="replace").decode(),
    ),
)
FRAMES: Final = (
    *["1"] * 30,
    *("1,2", "2", "1,2,3", "1,3", "0", "-1", "2,1", "1,1", "", ",", "1,", ",1", "1,,2", "1-2", "a", "1.0", "+1", " 1"),
    *("01", "1e3", "99999", "999999999", "9999999999", "9" * 400, "１", "²", "1;2", "1 ,2", "\x00"),
    *(",".join(map(str, range(1, 1500))), ",".join(["1"] * 1500)),
)
BULK: Final = (
    *["7FE00010"] * 20,
    *("7fe00010", "00420011", "54000100/0/54001010", "00400555/0/0040A730", "0040A730/0/0040A730/0/0040A160"),
    *("7FE00010/0", "7FE00010/", "/7FE00010", "7FE00010/0/7FE00010", "00080005", "00020010", "00000000", "FFFEE000"),
    *(
        "5400010",
        "540001000",
        "ZZZZZZZZ",
        "PixelData",
        "0",
        "-1",
        "0/0",
        "54000100/-1/54001010",
        "54000100/99999/54001010",
    ),
    *("0040A730/0/" * 60 + "0040A160", "9" * 500, "７FE00010", "\x00", "é", "../../metadata", "54000100/x/54001010"),
)
TEXTS: Final = (
    *(
        "",
        " ",
        "*",
        "?",
        "%",
        "%s",
        "%00",
        "a" * 70,
        "a" * 3000,
        "é",
        "Müller",
        "山田^太郎",
        "𝟙",
        "\x00",
        "\x1b[0m",
        "\\",
    ),
    *(
        "null",
        "NaN",
        "Infinity",
        "-0",
        "1e309",
        "0x10",
        "9" * 30,
        "true",
        "[]",
        "{}",
        "'",
        '"',
        "a\\b",
        "a,b",
        "a=b",
        "^",
    ),
    *("*" * 60, "?*" * 30, "[a-", "(", "$(x)", "<b>", "\u202e", "\ufeff", "a\r\nX-Injected: 1", "٣", "ǅ", "ﬃ", "İ"),
)
_TIMES: Final = (
    *(
        "20200101",
        "20200101-20201231",
        "-20201231",
        "20200101-",
        "-",
        "--",
        "20201231-20200101",
        "20209999",
        "00000000",
    ),
    *(
        "99999999",
        "2020",
        "2020.01.01",
        "2020-01-01",
        "1000",
        "10-11",
        "100000.123456-",
        "250000",
        "235960",
        "1000-0900",
    ),
)
_NUMBERS: Final = (
    "0",
    "1",
    "-1",
    "+1",
    "1.0",
    "01",
    "999999999999999999999",
    "",
    " 1",
    "1e3",
    "٣",
    "0x1",
    "NaN",
    "2",
    "5",
)
_NAMES: Final = (
    "*",
    "A*",
    "*^*",
    "?ane*",
    "",
    "Doe^John",
    "doe",
    "Müller*",
    "=*",
    "^^^^",
    "*" * 64,
    "\\",
    "%",
    "_",
    "é",
)
_TRUTHS: Final = ("true", "false", "TRUE", "1", "", "yes", "true,false")
_KEY_VALUES: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    ("StudyDate", "00080020", "StudyTime", "00080030", "PerformedProcedureStepStartDate", "00400245"): _TIMES,
    ("PatientName", "00100010", "ReferringPhysicianName", "PatientID", "00100020", "AccessionNumber"): _NAMES,
    ("StudyInstanceUID", "0020000D", "SeriesInstanceUID", "SOPInstanceUID", "00080018", "SOPClassUID"): UIDS,
    ("ModalitiesInStudy", "00080061", "Modality", "00080060"): ("CT", "CT,MR", "CT\\MR", "ct", "C?", "*", "", "XX"),
    ("SeriesNumber", "InstanceNumber", "00200013", "StudyID", "Rows", "NumberOfFrames"): _NUMBERS,
    ("limit", "offset"): _NUMBERS,
    ("fuzzymatching", "emptyvaluematching", "multiplevaluematching"): _TRUTHS,
    ("includefield",): ("all", "all,all", "00081030,00080060", "StudyDescription", "", ",", "x", "7FE00010", "00400275.00400009"),
    (
        *("RequestAttributesSequence.ScheduledProcedureStepID", "00400275.00401001", "00101002.00100020", "0040A730"),
        *("OtherPatientIDsSequence.00100020", "00400275", "00400275.", ".00400275", "00400275..00400009", "a.b.c"),
        *("00091001", "00090010", "7FE00010", "PixelData", "00020010", "0000000", "000000000", "patientname", "GGGGGGGG"),
        "00400275." * 40 + "00400009",
    ): TEXTS,
}
KEYS: Final = {name: list(values) for names, values in _KEY_VALUES.items() for name in names}
_BOXES: Final = (
    "64,64",
    "0,0",
    "-1,5",
    "8192,8192",
    "8193,1",
    "1,1",
    "64",
    "64,64,,,",
    "64,64,,,256,256",
    "64,64,1,1,-5,-5",
)
_MORE_BOXES: Final = (
    "64,64,0,0,0.5,0.5",
    "64,64,1e99,1,1,1",
    "64,64,9e9,9e9,1,1",
    "64,64,,,1e-9,1e-9",
    "٣,٣",
    "a,b",
    "",
    ",,,,,",
)
RENDERED: Final = {
    "viewport": [*_BOXES, *_MORE_BOXES],
    "window": ["40,400,linear", "40,400,sigmoid", "40,400,linear-exact", "40,400", "40,0,linear", "0,1e-99,sigmoid",
               "1e99,1e99,linear", "nan,1,linear", "inf,inf,sigmoid", "-1e9,1e-9,linear-exact", "40,400,LINEAR", ",,", ""],
    "quality": ["1", "100", "0", "101", "50.5", "", "a", "-1", "9" * 300],
    "annotation": ["patient", "technique", "patient,technique", "", ",", "foo", "patient,foo", "patient,patient", "é"],
    "iccprofile": ["no", "yes", "srgb", "", "x"],
    "charset": ["utf-8", "iso-8859-1", "utf-16", "utf-7", "idna", "rot13", "hex", "base64", "x", "", "é", "\x00", "a" * 500],
}
WADO_URI: Final = {
    "contentType": ["image/jpeg", "image/png", "image/gif", "application/dicom", "text/html", "text/plain", "application/pdf",
                    "image/*", "*/*", "image/tiff", "image/png;q=x,image/jpeg", "image/jpeg;transfer-syntax=1.2", "", ",", "a/b/c"],
    "transferSyntax": ["*", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90",
                       "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.3", "x", "", "1" * 65],
    "frameNumber": ["1", "2", "0", "-1", "99999", "x", "1,2", "", "9" * 400, "²"],
    "rows": ["1", "64", "8192", "8193", "0", "-1", "x", "", "1e2", "9" * 400],
    "columns": ["1", "64", "8192", "0", "x", "", "1.5"],
    "region": ["0,0,1,1", "0.1,0.1,0.2,0.2", "0,0,0,0", "1,1,0,0", "0,0,1", "a,b,c,d", "0,0,2,2", "-1,0,1,1", "nan,0,1,1",
               "0,0,1e-99,1e-99", "0.999999,0.999999,1,1", ",,,", ""],
    "windowCenter": ["40", "-1000", "1e9", "nan", "x", "", "1e99"],
    "windowWidth": ["400", "0", "-1", "1e-9", "inf", "x", "", "1e99"],
    "imageQuality": ["1", "100", "0", "x", ""],
    "imageAnnotation": ["patient", "technique,patient", "x", ""],
    "annotation": ["patient", "technique"],
    "anonymize": ["yes", "no", ""],
    "charset": ["utf-8", "iso-8859-15", "utf-16", "rot13", "x", "", "\x00"],
}
RAW_QUERIES: Final = (
    *("&", "&&", "=", "&=&=", "&%", "&a=%zz", "&a=%", "&%ff=%ff", "&a=%c3", "&;a=1", "&a[]=1", "#", "?a=1", "&" * 500),
    *("&StudyDate=" * 250, "&PatientName=A&PatientName=B", "&limit=1&limit=2", "&a=" + "b" * 20_000),
)
_IMAGES: Final = ("jpeg", "png", "gif", "jls", "x-jls", "jp2", "jpx", "jphc", "jxl", "dicom-rle", "tiff", "*")
USUAL: Final = (
    *["*/*"] * 12,
    *("application/dicom+json", "image/*", "image/jpeg", "application/dicom; transfer-syntax=*"),
    *('multipart/related; type="application/dicom"; transfer-syntax=*', 'multipart/related; type="image/*"'),
    *("multipart/related; type=application/octet-stream; transfer-syntax=*", "application/octet-stream, image/*;q=0.5"),
)
MEDIA_TYPES: Final = (
    *["*/*"] * 3,
    *("application/dicom", "application/dicom+json", "application/json", "application/dicom+xml", "application/zip"),
    *("application/octet-stream", "application/*", "text/html", "text/plain", "text/xml", "application/pdf"),
    *(f"image/{kind}" for kind in _IMAGES),
    *(f'multipart/related; type="image/{kind}"' for kind in _IMAGES),
    *['multipart/related; type="application/dicom"', 'multipart/related; type="application/octet-stream"'] * 4,
    *('multipart/related; type="application/dicom+xml"', "multipart/related; type=application/octet-stream"),
    *(
        'multipart/related; type="*/*"',
        "multipart/related",
        "multipart/mixed",
        "video/mp4",
        'multipart/related; type="',
    ),
    *(
        "",
        ",",
        ";",
        "/",
        "a",
        "a/",
        "/b",
        "*/a",
        "a/b/c",
        "é/é",
        "a/b;",
        "a/b;;",
        'a/b; c="',
        "text/html; charset=utf-16",
    ),
    *("a/b;c=d" * 200, "*/*," * 300 + "*/*", '"*/*"', "\x80\xff", "(comment) */*"),
)
MODEL_TYPES: Final = (*["application/dicom+json"] * 8, "application/json", "application/dicom+xml", "text/plain", "", "x")
PARAMETERS: Final = (
    *["transfer-syntax=*"] * 6,
    *(f"transfer-syntax=1.2.840.10008.1.2{end}" for end in ("", ".1", ".2", ".1.99", ".5", ".4.50", ".4.57", ".4.70")),
    *(f"transfer-syntax=1.2.840.10008.1.2.4.{end}" for end in (80, 81, 90, 91, 201, 999)),
    *("transfer-syntax=", "transfer-syntax=x", 'transfer-syntax="*"', "transfer-syntax=*; transfer-syntax=1.2"),
    *(
        "q=0",
        "q=1",
        "q=0.5",
        "q=0.001",
        "q=2",
        "q=-1",
        "q=x",
        "q=",
        "q=1e9",
        "q=nan",
        "q=inf",
        "boundary=x",
        "charset=utf-8",
    ),
    *("charset=rot13", "type=*/*", 'type="application/dicom"', "type=", "=", "a", 'a="b', "quality=50", "a=é"),
)
RANGES: Final = (
    *("bytes=0-0", "bytes=0-99", "bytes=100-", "bytes=-1", "bytes=-100", "bytes=-0", "bytes=5-2", "bytes=0-0,5-9"),
    *("bytes=99999999999-", "bytes=0-99999999999", f"bytes={'9' * 18}-", f"bytes={'9' * 40}-", f"bytes=-{'9' * 18}"),
    *(
        "bytes=",
        "bytes=-",
        "bytes=--1",
        "bytes=a-b",
        "bytes 0-1",
        "items=0-1",
        "",
        "bytes=0x0-0x5",
        "bytes= 0 - 5",
        "BYTES=0-5",
    ),
    *("bytes=²-³", "bytes=1-1", "bytes=1000-1999", "bytes=" + ",".join(f"{n}-{n}" for n in range(300))),
)
TAGS: Final = (
    "*",
    '""',
    '"x"',
    'W/"x"',
    "x",
    '"',
    '"a", "b"',
    "W/",
    "," * 200,
    "Tue, 24 Nov 2026 08:00:00 GMT",
    "\xff",
    "",
)
HEADERS: Final[dict[str, tuple[str, ...]]] = {
    "Accept-Encoding": ("gzip", "br", "identity;q=0", "*;q=0", "", "x"),
    "Accept-Charset": ("utf-8", "rot13", "*;q=0", ""),
    "Accept-Language": ("de", "x" * 500, "*", "é"),
    "Origin": ("https://viewer.example", "null", "http://127.0.0.1", "x", "", "\xff", "https://a b"),
    "Access-Control-Request-Method": ("GET", "DELETE", "", "x"),
    "Access-Control-Request-Headers": ("authorization", "x," * 300, "é"),
    "If-Modified-Since": ("Tue, 24 Nov 2026 08:00:00 GMT", "x", "", "9" * 50),
    "If-Match": TAGS,
    "X-Forwarded-For": ("127.0.0.1", "::1", "x", "a, b", "\xff", "1" * 300),
    "X-Forwarded-Proto": ("https", "x"),
    "X-Forwarded-Host": ("elsewhere.example", "a b", ""),
    "X-HTTP-Method-Override": ("DELETE", "POST"),
    "Cookie": ("sessionid=x", "sessionid=", "=", "a=b; a", "csrftoken=" + "x" * 64, "\xff=\xff", "sessionid=\x80"),
    "Content-Type": ("", "x", "application/dicom+json", "multipart/related; boundary=x", "é"),
    "Idempotency-Key": ("x", "", "é", "a" * 2000),
    "Prefer": ("respond-async", "x"),
}
