"""Search (PS3.18 Section 10.6): every required key at every resource, by keyword and by tag."""

from typing import Final

from tests.exchange.dicomweb.mandatory.row import JSON, MODELS, SERIES, STUDY, Row

# Tables 10.6.1-2 to 10.6.1-5, each key by its keyword and by its tag.
_KEYS: Final = {
    "study": (
        *("StudyDate=20260102", "StudyTime=101112", "AccessionNumber=A-1", "ModalitiesInStudy=CT", "PatientName=Doe*"),
        *("ReferringPhysicianName=", "PatientID=P-1", "StudyInstanceUID={study}", "StudyID=1"),
        *("00080020=20260102", "00080030=101112", "00080050=A-1", "00080061=CT", "00080090=", "00100010=Doe*"),
        *("00100020=P-1", "0020000D={study}", "00200010=1"),
    ),
    "series": (
        *("Modality=CT", "SeriesInstanceUID={series}", "SeriesNumber=1", "PerformedProcedureStepStartDate="),
        *("PerformedProcedureStepStartTime=", "RequestAttributesSequence.ScheduledProcedureStepID="),
        *("RequestAttributesSequence.RequestedProcedureID=", "00080060=CT", "0020000E={series}", "00200011=1"),
        *("00400244=", "00400245=", "00400275.00400009=", "00400275.00401001="),
    ),
    "instance": (
        *("SOPClassUID=1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID={image}", "InstanceNumber=1"),
        *("00080016=1.2.840.10008.5.1.4.1.1.2", "00080018={image}", "00200013=1"),
    ),
}
_RESOURCES: Final = {
    "{root}/studies": ("study",),
    "{root}/series": ("study", "series"),
    "{root}/instances": ("study", "series", "instance"),
    f"{STUDY}/series": ("series",),
    f"{STUDY}/instances": ("series", "instance"),
    f"{SERIES}/instances": ("instance",),
}
SEARCH: Final = [
    *(Row("10.6.1", f"{path} as {kind}", path, kind, gives=kind) for path in _RESOURCES for kind in (JSON, MODELS)),
    *(Row("10.6.1", f"JSON is the default of {path}", path, gives=JSON) for path in _RESOURCES),
    *(
        Row("10.6.1.2.3", f"{path}?{key}", f"{path}?{key}", gives=JSON)
        for path, levels in _RESOURCES.items()
        for level in levels
        for key in _KEYS[level]
    ),
    *(
        Row("10.6.1.2.1", f"?{query}", f"{{root}}/studies?{query}", gives=JSON, says=says)
        for query, says in (
            ("StudyDate=20260101-20260131", ""),
            ("StudyDate=-20260131", ""),
            ("StudyDate=20260101-&StudyTime=10-11", ""),
            ("StudyInstanceUID={study},1.2.3", ""),
            ("PatientName=doe^j?ne", ""),
            ("includefield=all", ""),
            ("includefield=PatientSex,00081030&includefield=StudyDescription", ""),
            ("limit=1", "There are 1 additional results that can be requested"),
            ("offset=1", ""),
            ("fuzzymatching=true", "Only literal matching has been performed"),
            ("emptyvaluematching=true", "Empty Value Matching has not been performed"),
            ("multiplevaluematching=true", "Multiple Value Matching has not been performed"),
            ("fuzzymatching=false", ""),
        )
    ),
    *(
        Row("10.6.3.1", f"?{query}", f"{{root}}/studies?{query}", status=204)
        for query in ("PatientID=nobody", "limit=0", "offset=1000", "StudyInstanceUID=1.2.3")
    ),
    *(
        Row("10.6.3.1", f"?{query}", f"{{root}}/studies?{query}", status=400)
        for query in (
            *(
                "limit=-1",
                "limit=x",
                "offset=x",
                "fuzzymatching=x",
                "NoSuchAttribute=1",
                "Modality=CT",
                "SOPClassUID=1.2",
            ),
            *("PatientID=1&PatientID=2", "StudyDate=x", "includefield=all&includefield=PatientSex"),
        )
    ),
    Row("10.6.2", "nothing that is offered", "{root}/studies", "image/png", 406),
]
