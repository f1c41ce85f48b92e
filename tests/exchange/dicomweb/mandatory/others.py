"""The URI service (PS3.18 Section 9), capabilities (8.9), pages of other origins, and storage commitment (13)."""

from typing import Final

from tests.exchange.dicomweb.mandatory.row import (
    DICOM,
    FILES,
    JSON,
    LITTLE,
    STUDY,
    WADO,
    WADO_FRAMES,
    WADO_REPORT,
    XML,
    Row,
)

# Section 9 (URI service).
URI: Final = [
    Row("9.4.4", "a picture by default", WADO, gives="image/jpeg"),
    Row("9.4.4", "a text by default", WADO_REPORT, gives="text/html"),
    *(
        Row("9.4.4", f"{kind} by contentType", f"{path}&contentType={kind}", gives=kind)
        for path, kinds in ((WADO, ("image/jpeg", "application/dicom")), (WADO_REPORT, ("text/html", "text/plain")))
        for kind in kinds
    ),
    *(
        Row("9.1.2", f"&{query}", f"{WADO}&{query}", gives=gives)
        for query, gives in (
            ("contentType=application/dicom&transferSyntax=1.2.840.10008.1.2.1", f"{DICOM}; transfer-syntax={LITTLE}"),
            ("imageAnnotation=patient,technique", "image/jpeg"),
            ("imageQuality=50", "image/jpeg"),
            ("rows=8&columns=8", "image/jpeg"),
            ("region=0.1,0.1,0.9,0.9", "image/jpeg"),
            ("windowCenter=40&windowWidth=400", "image/jpeg"),
            ("presentationUID={state}&presentationSeriesUID={state_series}", "image/jpeg"),
        )
    ),
    Row("9.1.2", "a frame", f"{WADO_FRAMES}&frameNumber=2", gives="image/jpeg"),
    *(
        Row("9.1.2", f"&{query}", f"{WADO}&{query}", status=400)
        for query in (
            *(
                "frameNumber=0",
                "frameNumber=9",
                "imageQuality=0",
                "imageQuality=101",
                "rows=x",
                "region=0,0,1",
                "region=1,1,0,0",
            ),
            *("windowCenter=40", "windowWidth=40", "presentationUID={state}", "contentType=image/jpeg;charset=utf-8"),
            *(
                "contentType=application/dicom&windowCenter=40&windowWidth=400",
                "contentType=application/dicom&transferSyntax=x",
            ),
            *("anonymize=perhaps", "contentType=application/dicom;transfer-syntax=1.2.840.10008.1.2.1"),
        )
    ),
    Row("9.1.2", "an unknown syntax", f"{WADO}&contentType=application/dicom&transferSyntax=1.2.3.4", status=406),
    Row("9.1.2", "anonymize=yes", f"{WADO}&anonymize=yes", status=403),
    *(
        Row(
            "9.1.1",
            f"without {name}",
            "&".join(one for one in WADO.split("&") if name not in one).replace("?&", "?"),
            status=400,
        )
        for name in ("studyUID", "seriesUID", "objectUID")
    ),
    Row("9.1.1", "another requestType", WADO.replace("=WADO", "=MADO"), status=400),
    Row("9.4.3", "what never was", WADO.replace("{image}", "1.2.3"), status=404),
]

_PREFLIGHT: Final = {"Origin": "https://viewer.example", "Access-Control-Request-Method": "GET"}
CAPABILITIES: Final = [
    Row(
        "8.9",
        "in WADL",
        "{root}/",
        "application/vnd.sun.wadl+xml",
        method="OPTIONS",
        gives="application/vnd.sun.wadl+xml",
    ),
    Row("8.9", "in JSON", "{root}/", "application/json", method="OPTIONS", gives="application/json"),
    Row("Fetch", "a preflight", STUDY, method="OPTIONS", headers=_PREFLIGHT, status=204, says="https://viewer.example"),
    Row(
        "Fetch",
        "an answer for a page",
        STUDY,
        FILES,
        headers={"Origin": "https://viewer.example"},
        gives=FILES,
        says="https://viewer.example",
    ),
]

COMMITMENT: Final = "{root}/commitment-requests"


def _asking(what: str, body: str, accept: str = JSON, *, status: int = 200, of: str = "1.2.3", **rest: str) -> Row:
    media_type = rest.pop("media_type", JSON)
    path = f"{COMMITMENT}/{of}"
    return Row("13.1", what, path, accept, status, method="POST", body=body, media_type=media_type, **rest)  # type: ignore[arg-type]


COMMIT: Final = [
    _asking("for instances", "instances", gives=JSON, says="Committed until"),
    _asking("for a study", "whole study", gives=JSON, says="Committed until"),
    _asking("answered in XML", "instances", XML, gives=XML),
    _asking("JSON is the default", "instances", "*/*", gives=JSON),
    _asking("in XML", "xml", media_type=XML, status=415, deviates="`application/dicom+xml` in the request"),
    _asking("for nothing", "no references", status=400),
    _asking("in what is no JSON", "noise", status=400),
    _asking("under a malformed UID", "instances", of="1..2", status=400),
    Row("13.2", "what was never asked for", f"{COMMITMENT}/1.2.3", JSON, 404),
]
