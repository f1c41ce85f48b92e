"""Retrieve (PS3.18 Section 10.4), negotiation (8.7) and the parameters of rendered resources (8.3.5)."""

from typing import Final

from tests.exchange.dicomweb.mandatory.row import (
    DICOM,
    FILES,
    FRAMES,
    IMAGE,
    JSON,
    LITTLE,
    MODELS,
    REPORT,
    SERIES,
    STATE,
    STUDY,
    VALUES,
    Row,
    parts,
)

# Table 10.4.1-1 to 10.4.1-8 and 10.4.4-1 to 10.4.4-5.
RETRIEVE: Final = [
    *(
        Row("10.4.1.1.1", f"a {level} as files", path, FILES, gives=FILES)
        for level, path in (("study", STUDY), ("series", SERIES), ("instance", IMAGE))
    ),
    *(
        Row("10.4.1.1.1", f"files are the default of a {level}", path, gives=FILES)
        for level, path in (("study", STUDY), ("series", SERIES), ("instance", IMAGE))
    ),
    *(
        Row("10.4.1.1.2", f"metadata of a {level} as {kind}", f"{path}/metadata", kind, gives=kind)
        for level, path in (("study", STUDY), ("series", SERIES), ("instance", IMAGE))
        for kind in (JSON, MODELS)
    ),
    *(
        Row("10.4.1.1.2", f"JSON is the default of the metadata of a {level}", f"{path}/metadata", gives=JSON)
        for level, path in (("study", STUDY), ("series", SERIES), ("instance", IMAGE))
    ),
    *(
        Row(
            "10.4.1.1.3",
            f"a {level} rendered, in parts",
            f"{path}/rendered",
            parts("image/jpeg"),
            gives=parts("image/jpeg"),
        )
        for level, path in (("study", STUDY), ("series", SERIES), ("instance", IMAGE))
    ),
    *(
        Row("10.4.1.1.3", f"{kind} of an instance", f"{IMAGE}/rendered", kind, gives=kind)
        for kind in ("image/jpeg", "image/png", "image/gif")
    ),
    Row("10.4.1.1.3", "JPEG is the default of an image", f"{IMAGE}/rendered", gives="image/jpeg"),
    Row("10.4.1.1.3", "several frames rendered", f"{FRAMES}/frames/1,2/rendered", gives=parts("image/jpeg")),
    Row("10.4.1.1.3", "one frame rendered", f"{FRAMES}/frames/2/rendered", "image/png", gives="image/png"),
    Row("10.4.1.1.3", "HTML is the default of a text", f"{REPORT}/rendered", gives="text/html"),
    Row("10.4.1.1.3", "plain text of a text", f"{REPORT}/rendered", "text/plain", gives="text/plain"),
    Row("10.4.1.1.3", "XML of a text", f"{REPORT}/rendered", "text/xml", 406, deviates="`text/xml` of a report"),
    Row("10.4.1.1.3", "one type for a whole study", f"{STUDY}/rendered", "image/jpeg", 406),
    Row("10.4.1.1.3", "a presentation state", f"{STATE}/rendered", gives="image/jpeg"),
    *(
        Row("10.4.1.1.4", f"a thumbnail of a {level}", f"{path}/thumbnail", gives="image/jpeg")
        for level, path in (("study", STUDY), ("series", SERIES), ("instance", IMAGE), ("frame", f"{IMAGE}/frames/1"))
    ),
    Row("10.4.1.1.5", "bulk data by its URI", f"{IMAGE}/bulkdata/7FE00010", VALUES, gives=VALUES),
    *(
        Row("10.4.1.1.5", f"all {what} of a {level}", f"{path}/{what}", VALUES, gives=VALUES)
        for what in ("bulkdata", "pixeldata")
        for level, path in (("study", STUDY), ("series", SERIES), ("instance", IMAGE))
    ),
    *(
        Row("10.4.4", f"the bulk data of a {level} by its own URI", path, VALUES, gives=VALUES)
        for level, path in (("study", STUDY), ("series", SERIES), ("instance", IMAGE))
    ),
    Row("10.4.1.1.6", "frames", f"{FRAMES}/frames/1,2", VALUES, gives=VALUES),
    Row("10.4.1.1.6", "octets are the default of frames", f"{FRAMES}/frames/1", gives=VALUES),
    Row("10.4.1.1.6", "a frame that is not there", f"{FRAMES}/frames/1,9", VALUES, 404),
    Row("10.4.1.1.6", "frames in another order", f"{FRAMES}/frames/2,1", VALUES, 400),
    Row("10.4.1.1.6", "a frame zero", f"{FRAMES}/frames/0", VALUES, 400),
    Row(
        "10.4.1.1.6",
        "compressed frames as they are",
        f"{FRAMES}/frames/1",
        parts("image/dicom-rle"),
        gives=parts("image/dicom-rle"),
    ),
    Row("10.4.3.1", "what never was", "{root}/studies/1.2.3", FILES, 404),
    Row("10.4.3.1", "what is another's", "{root}/studies/{foreign}", FILES, 404),
    Row("10.4.3.1", "what is over", "{root}/studies/{over}", FILES, 410),
]

# Section 8.7.
NEGOTIATE: Final = [
    Row("8.7.3", "without an Accept header", STUDY, accept="", gives=FILES, deviates="missing: 406 (Section 8.7.5)"),
    Row("8.7.5", "nothing that is offered", STUDY, "image/png", 406),
    Row("8.7.5", "an unknown type beside a known one", f"{IMAGE}/metadata", f"a/b, x, {JSON};q=0.1", gives=JSON),
    Row("8.7.5", "the better of two", f"{IMAGE}/metadata", f"{JSON};q=0.1, {MODELS};q=0.9", gives=MODELS),
    Row("8.7.5", "a quality of zero", f"{IMAGE}/metadata", f"{JSON};q=0, {MODELS};q=0.1", gives=MODELS),
    Row(
        "8.7.5",
        "the most specific range counts",
        f"{IMAGE}/metadata",
        f"*/*;q=0.5, {JSON};q=0.1, {MODELS}",
        gives=MODELS,
    ),
    Row(
        "8.3.3.1",
        "the accept parameter comes first",
        f"{IMAGE}/metadata?accept={JSON}".replace("+", "%2B"),
        MODELS,
        gives=JSON,
    ),
    Row(
        "8.3.3.1",
        "the header where the parameter has nothing",
        f"{IMAGE}/metadata?accept=image/png",
        MODELS,
        gives=MODELS,
    ),
    Row("8.7.2", "DICOM and rendered types in one request", f"{IMAGE}/rendered", f"{FILES}, image/jpeg", 400),
    Row("8.7.2", "a type without quotes", STUDY, f"multipart/related; type={DICOM}", gives=FILES),
    Row(
        "8.7.3.5",
        "the stored syntax",
        FRAMES,
        f"{DICOM}; transfer-syntax=*",
        gives=f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.5",
    ),
    Row("8.7.3.5", "Explicit VR Little Endian without one", FRAMES, DICOM, gives=f"{DICOM}; transfer-syntax={LITTLE}"),
    Row(
        "8.7.3.5",
        "a syntax that is named",
        FRAMES,
        f"{DICOM}; transfer-syntax={LITTLE}",
        gives=f"{DICOM}; transfer-syntax={LITTLE}",
    ),
    Row("8.7.3.5", "a syntax that cannot be given", FRAMES, f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.50", 406),
    Row("8.7.3.5", "Implicit VR is converted", "{root}/studies/{implicit}", gives=FILES),
    Row(
        "8.7.3.5",
        "Implicit VR does not travel",
        "{root}/studies/{implicit}",
        f"{FILES}; transfer-syntax=1.2.840.10008.1.2",
        gives=FILES,
        deviates="Implicit VR and Big Endian do not travel",
    ),
    Row(
        "8.7.4",
        "no transfer syntax of a picture",
        f"{IMAGE}/rendered",
        f"image/png; transfer-syntax={LITTLE}",
        gives="image/png",
        deviates="a `transfer-syntax` of a rendered type",
    ),
    Row(
        "RFC 9110 14",
        "a range",
        IMAGE,
        DICOM,
        206,
        gives=DICOM,
        says="bytes 100-199/",
        headers={"Range": "bytes=100-199"},
    ),
    Row(
        "RFC 9110 14",
        "a range beyond the end",
        IMAGE,
        DICOM,
        416,
        says="bytes */",
        headers={"Range": "bytes=99999999-"},
    ),
    Row("8.4", "HEAD", STUDY, method="HEAD", gives=FILES),
    Row("8.4", "a method that is none", STUDY, method="DELETE", status=405, says="GET, HEAD, OPTIONS, POST"),
]

# Section 8.3.5: the parameters of rendered resources.
RENDER: Final = [
    *(
        Row("8.3.5.1", f"?{query}", f"{IMAGE}/rendered?{query}", gives="image/jpeg", says=says)
        for query, says in (
            ("annotation=patient,technique", ""),
            ("annotation=patient,ruler", "annotation values are not supported: ruler"),
            ("quality=1", ""),
            ("quality=100", ""),
            ("viewport=8,8", ""),
            ("viewport=8,8,,,4,4", ""),
            ("viewport=8,8,0,0,-16,16", ""),
            ("window=40,400,linear", ""),
            ("window=40,400,linear-exact", ""),
            ("window=40,400,sigmoid", ""),
            ("iccprofile=no", ""),
            ("iccprofile=srgb", "iccprofile srgb is not supported"),
        )
    ),
    *(
        Row("8.3.5.1", f"?{query}", f"{IMAGE}/rendered?{query}", status=400)
        for query in (
            *("annotation=", "annotation=ruler", "quality=0", "quality=101", "quality=x", "window=40,400", "window=40"),
            *(
                "window=a,b,linear",
                "window=40,400,cubic",
                "viewport=8",
                "viewport=a,b",
                "viewport=8,8,1",
                "iccprofile=x",
            ),
        )
    ),
    Row("8.3.5.1", "the charset of a page", f"{REPORT}/rendered?charset=utf-8", gives="text/html; charset=utf-8"),
    Row("8.3.5.1", "no window for a presentation state", f"{STATE}/rendered?window=40,400,linear", status=400),
    Row("8.3.5.1", "a size for a thumbnail", f"{STUDY}/thumbnail?viewport=16,16", gives="image/jpeg"),
    Row("8.3.5.1", "no region for a thumbnail", f"{STUDY}/thumbnail?viewport=16,16,0,0,4,4", status=400),
]
