"""What may be searched for and what is always returned, level by level (DICOM PS3.18 Section 10.6)."""

from enum import IntEnum
from typing import Final

SPECIFIC_CHARACTER_SET: Final = "00080005"
SOP_CLASS: Final = "00080016"
SOP_INSTANCE: Final = "00080018"
STUDY_DATE: Final = "00080020"
STUDY_TIME: Final = "00080030"
AVAILABILITY: Final = "00080056"
MODALITY: Final = "00080060"
MODALITIES: Final = "00080061"
TIME_ZONE: Final = "00080201"
RETRIEVE_URL: Final = "00081190"
TRANSFER_SYNTAXES: Final = "00083002"
STUDY: Final = "0020000D"
SERIES: Final = "0020000E"
STUDY_SERIES: Final = "00201206"
STUDY_INSTANCES: Final = "00201208"
SERIES_INSTANCES: Final = "00201209"
REQUESTS: Final = "00400275"


class Level(IntEnum):
    STUDY = 0
    SERIES = 1
    INSTANCE = 2


# Keys by keyword path; those of the patient may be used at every level (PS3.18 Table 10.6.1-5 and PS3.4 C.6).
PATIENT_KEYS: Final = {
    "00100010": "PN",
    "00100020": "LO",
    "00100021": "LO",
    "00100030": "DA",
    "00100040": "CS",
}
KEYS: Final[dict[Level, dict[str, str]]] = {
    Level.STUDY: {
        STUDY_DATE: "DA",
        STUDY_TIME: "TM",
        "00080050": "SH",
        MODALITIES: "CS",
        "00080090": "PN",
        "00081030": "LO",
        STUDY: "UI",
        "00200010": "SH",
    },
    Level.SERIES: {
        MODALITY: "CS",
        SERIES: "UI",
        "00200011": "IS",
        "0008103E": "LO",
        "00180015": "CS",
        "00400244": "DA",
        "00400245": "TM",
        f"{REQUESTS}.00400009": "SH",
        f"{REQUESTS}.00401001": "SH",
    },
    Level.INSTANCE: {SOP_CLASS: "UI", SOP_INSTANCE: "UI", "00200013": "IS"},
}
# UIDs are plain columns: the database answers them, and nothing has to be opened.
UID_KEYS: Final = frozenset({STUDY, SERIES, SOP_CLASS, SOP_INSTANCE})

# PS3.18 Tables 10.6.3-3 to 10.6.3-5: returned even where they have no value.
REQUIRED: Final[dict[Level, dict[str, str]]] = {
    Level.STUDY: {
        STUDY_DATE: "DA",
        STUDY_TIME: "TM",
        "00080050": "SH",
        AVAILABILITY: "CS",
        MODALITIES: "CS",
        "00080090": "PN",
        RETRIEVE_URL: "UR",
        "00100010": "PN",
        "00100020": "LO",
        "00100030": "DA",
        "00100040": "CS",
        STUDY: "UI",
        "00200010": "SH",
        STUDY_SERIES: "IS",
        STUDY_INSTANCES: "IS",
    },
    Level.SERIES: {
        MODALITY: "CS",
        RETRIEVE_URL: "UR",
        STUDY: "UI",
        SERIES: "UI",
        "00200011": "IS",
        SERIES_INSTANCES: "IS",
    },
    Level.INSTANCE: {
        SOP_CLASS: "UI",
        SOP_INSTANCE: "UI",
        AVAILABILITY: "CS",
        RETRIEVE_URL: "UR",
        STUDY: "UI",
        SERIES: "UI",
        "00200013": "IS",
        "00280010": "US",
        "00280011": "US",
        "00280100": "US",
    },
}
# The same tables: returned where they are known.
IF_KNOWN: Final[dict[Level, frozenset[str]]] = {
    Level.STUDY: frozenset({TIME_ZONE}),
    Level.SERIES: frozenset({TIME_ZONE, "0008103E", "00400244", "00400245", REQUESTS}),
    Level.INSTANCE: frozenset({TIME_ZONE, "00280008"}),
}
