"""Store (PS3.18 Section 10.5)."""

from typing import Final

from tests.exchange.dicomweb.mandatory.row import DICOM, FILES, JSON, XML, Row, parts

TO: Final = "/dicomweb/to/{bob}/studies"
# Tables 10.5.2-1 and 10.5.3-1.
STORE: Final = [
    Row("10.5.2", "files", TO, method="POST", body="one", media_type=FILES, gives=JSON, says="/dicomweb/transfers/"),
    Row("10.5.2", "files of one study", TO + "/{new_study}", method="POST", body="one", media_type=FILES, gives=JSON),
    Row(
        "10.5.2",
        "a type without quotes",
        TO,
        method="POST",
        body="one",
        media_type=f"multipart/related; type={DICOM}",
        gives=JSON,
    ),
    Row("10.5.2", "no type at all", TO, method="POST", body="one", media_type="multipart/related", gives=JSON),
    Row(
        "10.5.2",
        "a file by itself",
        TO,
        method="POST",
        body="bare",
        media_type=DICOM,
        gives=JSON,
        deviates="bare `application/dicom` is not in the table",
    ),
    Row(
        "10.5.2",
        "metadata in JSON with bulk data",
        TO,
        method="POST",
        body="json",
        media_type=parts(JSON),
        gives=JSON,
    ),
    Row(
        "10.5.2",
        "metadata in XML with bulk data",
        TO,
        method="POST",
        body="xml",
        media_type=parts(XML),
        status=415,
        deviates="`application/dicom+xml` with bulk data",
    ),
    Row("10.5.2", "any other type", TO, method="POST", body="bare", media_type="text/plain", status=415),
    Row(
        "10.5.3",
        "the outcome in XML",
        TO,
        XML,
        method="POST",
        body="one",
        media_type=FILES,
        gives=XML,
    ),
    Row("10.5.3.1", "some stored", TO, method="POST", body="one and noise", media_type=FILES, status=202, gives=JSON),
    Row("10.5.3.1", "none stored", TO, method="POST", body="noise", media_type=FILES, status=409, gives=JSON),
    Row(
        "10.5.3.1",
        "files of another study",
        f"{TO}/1.2.3",
        method="POST",
        body="one",
        media_type=FILES,
        status=409,
        gives=JSON,
    ),
    Row("10.5.3.1", "no part", TO, method="POST", body="nothing", media_type=FILES, status=400, gives=JSON),
    Row("10.5.3.1", "cut off", TO, method="POST", body="cut", media_type=FILES, status=400, gives=JSON),
    Row("10.5.3.1", "no boundary", TO, method="POST", body="bare", media_type=FILES + "; x=boundary", status=400),
]
