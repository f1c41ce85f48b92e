"""Why a transfer is sent: a closed list, each value with its code of HL7 v3 PurposeOfUse.

A list and not free text, for the purpose stands in a plain column and stays with the tombstone: what could name a
patient belongs in the message, which is sealed.
"""

from enum import StrEnum
from typing import Final

from transfers import errors


class Purpose(StrEnum):
    TREATMENT = "treatment"
    EMERGENCY = "emergency"
    SECOND_OPINION = "second opinion"
    REFERRAL = "referral"
    FOLLOW_UP = "follow-up"
    PATIENT_REQUEST = "patient request"
    RESEARCH = "research"
    QUALITY = "quality"
    OTHER = "other"


# HL7 v3 ActReason, value set PurposeOfUse; the list of HL7 does not tell an opinion from a referral, people do.
# What nobody has said has no code, and neither has "other".
CODES: Final[dict[Purpose, str]] = {
    Purpose.TREATMENT: "TREAT",
    Purpose.EMERGENCY: "ETREAT",
    Purpose.SECOND_OPINION: "TREAT",
    Purpose.REFERRAL: "COC",
    Purpose.FOLLOW_UP: "TREAT",
    Purpose.PATIENT_REQUEST: "PATRQT",
    Purpose.RESEARCH: "HRESCH",
    Purpose.QUALITY: "HQUALIMP",
}


def check(text: str) -> str:
    """Return the purpose a caller names, "" for none; raises InvalidField that lists what may be named."""
    if text and text not in set(Purpose):
        raise errors.InvalidField("purpose", f"Name one of: {', '.join(Purpose)}. Write anything else in `message`.")
    return text


def described() -> list[tuple[str, str]]:
    """Each value with what an interface says of it."""
    return [(purpose.value, f"HL7 {CODES[purpose]}" if purpose in CODES else "no code") for purpose in Purpose]
