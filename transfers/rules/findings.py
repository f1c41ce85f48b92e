"""What validation can say, as a table: code, grade, and a sentence for the clerk who reads it.

A *stop* holds the transfer, a *check* and a *note* never do (docs/findings.md is made from this table).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Grade(StrEnum):
    STOP = "stop"
    CHECK = "check"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Kind:
    """One row: `releasable` says whether the sender may let a transfer go in spite of it.

    `advice` is what can be done while it is open, as the end of the sentence.
    """

    code: str
    grade: Grade
    says: str
    releasable: bool = False
    reference: str = ""
    advice: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.says} {self.advice}".strip()


_STOP, _CHECK, _NOTE = Grade.STOP, Grade.CHECK, Grade.NOTE

KINDS: Final[dict[str, Kind]] = {
    kind.code: kind
    for kind in (
        Kind(
            "identity-conflict",
            _STOP,
            "This transfer holds the images of several patients ({patients}): {names}.",
            releasable=True,
            reference="PS3.3 Section C.7.1.1",
            advice="Send one transfer for each, or release it with a note if they are the same person.",
        ),
        Kind(
            "incomplete",
            _STOP,
            "What arrived is not what was announced: {tally}.",
            releasable=True,
            reference="PS3.3 Section A.35.4 (title 113030); IHE RAD TF-2 [RAD-68]",
            advice="Send what is missing, or release the transfer with a note if this is all there is.",
        ),
        Kind(
            "unreadable",
            _STOP,
            "Objects that cannot be read: {count}. Export them again and send them once more.",
            reference="PS3.10 Section 7",
        ),
        Kind(
            "active-content",
            _STOP,
            "Objects with a program or script in them that could run when they are opened: {count}.",
            releasable=True,
            reference="PS3.10 Section 7.5",
            advice="Send them without it, or release the transfer with a note if it is meant to be there.",
        ),
        Kind(
            "malware",
            _STOP,
            "Objects in which the malware scanner found something: {count}. They will not be delivered. Tell your IT "
            "department.",
        ),
        Kind(
            "integrity",
            _STOP,
            "Objects that are no longer stored as they were received: {count}. They will not be delivered; send them "
            "once more.",
        ),
        Kind(
            "name-differs",
            _CHECK,
            "The patient's name is written in different ways under one patient ID: {names}. Check that it is one "
            "person.",
            reference="PS3.3 Section C.7.1.1",
        ),
        Kind(
            "pixels-short",
            _CHECK,
            "Images with less pixel data than their size asks for: {count}. They may show up cut off or not at all.",
            reference="PS3.5 Section 8.1.1",
        ),
        Kind(
            "characters-unknown",
            _CHECK,
            "Objects in a character set that is not known: {count}. Names may show up wrong.",
            reference="PS3.3 Section C.12.1.1.2",
        ),
        Kind(
            "manifest-elsewhere",
            _CHECK,
            "A manifest in this transfer lists objects of which none is here ({missing}). The recipient gets the list "
            "only.",
            reference="PS3.3 Section A.35.4",
        ),
        Kind(
            "rejection-unmatched",
            _CHECK,
            "A rejection note names objects that were not sent from here, or not for this patient: {missing}. They "
            "were not hidden.",
            reference="IHE RAD TF-2 [RAD-66]",
        ),
        Kind(
            "undeclared",
            _CHECK,
            "Objects that are not in the list which the sender declared: {count}. Check that they belong to it.",
        ),
        Kind(
            "identifier-reused",
            _CHECK,
            "Objects with the identifier of another one that a different sender sent you before: {count}. Where all "
            "that you received is shown together you see those that came first; these are shown with this transfer.",
            reference="PS3.5 Section 9",
        ),
        Kind(
            "lossy",
            _NOTE,
            "Images that were compressed with loss before they were sent: {count}.",
            reference="PS3.3 Section C.7.6.1.1.5",
        ),
        Kind(
            "burned-in",
            _NOTE,
            "Images that may show the patient's name or other writing in the picture itself: {count}.",
            reference="PS3.3 Section C.7.6.1.1.6",
        ),
        Kind(
            "syntax-not-shown",
            _NOTE,
            "Objects compressed in a way that cannot be shown here: {count}. They are delivered as they are.",
            reference="PS3.5 Section 10",
        ),
        Kind(
            "class-unknown",
            _NOTE,
            "Objects of a kind that the DICOM standard does not list: {count}. They are delivered as they are.",
            reference="PS3.4 Annex B.5",
        ),
        Kind(
            "values-unclear",
            _NOTE,
            "Objects with values that do not follow the standard: {count}. They are delivered as they are.",
            reference="PS3.5 Section 6.2",
        ),
        Kind(
            "numbers-missing",
            _NOTE,
            "Series whose image numbers have gaps: {count}. Many devices count like this; compare if in doubt.",
            reference="PS3.3 Section C.7.6.1",
        ),
        Kind(
            "series-numbers-alike",
            _NOTE,
            "Series that share their number with another one of the same study and kind: {count}.",
            reference="PS3.3 Section C.7.3.1",
        ),
        Kind(
            "completeness-not-proven",
            _NOTE,
            "Nothing says that everything was sent: the sender went quiet. Objects here: {present}.",
        ),
        Kind("unscanned", _NOTE, "No malware scanner is set up here: nothing was scanned."),
    )
}


@dataclass(frozen=True, slots=True)
class Found:
    """One finding: a code, how many objects it concerns, and what the sentence still needs."""

    code: str
    count: int = 1
    present: int = 0
    missing: int = 0
    patients: int = 0
    names: str = ""
    tally: str = ""

    @property
    def kind(self) -> Kind:
        return KINDS[self.code]

    @property
    def sentence(self) -> str:
        return self.kind.sentence.format(
            count=self.count,
            present=self.present,
            missing=self.missing,
            patients=self.patients,
            names=self.names,
            tally=self.tally,
        )


def without_advice(code: str, sentence: str) -> str:
    """What was found, without what was to be done about it: a finding that was released asks for nothing."""
    kind = KINDS.get(code)
    return sentence.removesuffix(kind.advice).rstrip() if kind and kind.advice else sentence


def as_markdown() -> str:
    """The table as docs/findings.md."""
    rows = (
        f"| `{kind.code}` | {kind.grade} | {_release(kind)} | {kind.sentence} | {kind.reference} |"
        for kind in KINDS.values()
    )
    return "\n".join([_PAGE, *rows, ""])


def _release(kind: Kind) -> str:
    if kind.grade != Grade.STOP:
        return "holds nothing"
    return "with a note" if kind.releasable else "never"


_PAGE: Final = """# What validation finds

Made from `transfers/rules/findings.py` by `manage.py write_findings`. A *stop* holds a transfer until it is cured by
a further push, released by its sender or the sender's administrator where that is possible, or withdrawn. A *check*
asks people to look, a *note* only says; neither holds anything. `{count}` and the like are filled in. Only sender and
recipient can read the sentences, which are sealed, for some name the patient; `identifier-reused` is for one recipient
alone, since a sender must not learn what others have sent.

| code | grade | released | sentence | text |
|---|---|---|---|---|"""
