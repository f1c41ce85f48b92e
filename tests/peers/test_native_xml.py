"""DCMTK writes the Native DICOM Model of the file that was sent; the metadata of the exchange must say the same.

What the two leave open is set aside: the words of DCMTK in Other VRs are Big Endian, long values are named by
reference, an element stored as UN is given the VR that its dictionary has.
"""

import re
import subprocess
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import pytest

from tests.faults import tree
from tests.peers import exchanging
from tests.peers.exchanging import Shipment
from tests.peers.table import Table

pytestmark = [pytest.mark.peers, pytest.mark.needs("curl", "dcmdump", "dcm2xml")]
SPACE: Final = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
ACCEPT: Final = 'multipart/related; type="application/dicom+xml"'
NUMERIC: Final = frozenset(["DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"])
COMPARED: Final = frozenset(
    [*NUMERIC, "AE", "AS", "AT", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "SQ", "ST", "TM", "UC", "UI", "UR", "UT"]
)
RESERVED: Final = re.compile(r"^(...[13579BDF])(?!00)..")
A_SERIES: Final = 3
Model = dict[str, tuple[str, list[Any]]]  # Any: values of all kinds


def test_dcm2xml_says_the_same(running: tree.Tree, shipments: list[Shipment], table: Table) -> None:
    peer, compared = "dcm2xml", 0
    for shipment in shipments:
        if not shipment.stored:
            continue
        ours = metadata(running, shipment)
        taken: dict[str, int] = {}
        for original in shipment.stored:
            taken[original.series] = taken.get(original.series, 0) + 1
            theirs = by_dcmtk(original.path)
            if taken[original.series] > A_SERIES or theirs is None:
                continue
            differing = differences(ours[original.sop_instance], theirs)
            table.record(peer, original, why=" ".join(sorted(differing)))
            compared += 1
    assert not table.failures(peer)
    assert compared


def metadata(running: tree.Tree, shipment: Shipment) -> dict[str, Model]:
    path = f"/dicomweb/transfers/{shipment.transfer_id}/studies/{shipment.study}/metadata"
    answer = exchanging.ask(running, path, key=exchanging.reader(running, "st-elsewhere"), accept=ACCEPT)
    assert answer.status == 200, answer.body
    models = [model(ElementTree.fromstring(document)) for document in exchanging.parts(answer)]
    return {one["00080018"][1][0]: one for one in models}


def by_dcmtk(path: Path) -> Model | None:
    """None where DCMTK cannot write it: an unknown character set, or pixels of no length."""
    done = subprocess.run(
        ["dcm2xml", "--quiet", "--native-format", "--use-xml-namespace", "--convert-to-utf8", path],
        capture_output=True,
        timeout=120,
        check=False,
    )
    try:
        return None if done.returncode else model(ElementTree.fromstring(done.stdout))
    except ElementTree.ParseError:
        return None


def model(data_set: ElementTree.Element) -> Model:
    """By tag, and by creator where there is one; DCMTK takes the block away where nobody has reserved it, too."""
    return {
        RESERVED.sub(r"\g<1>00", one.attrib["tag"]) + one.attrib.get("privateCreator", ""): (
            one.attrib["vr"],
            [value(child, one.attrib["vr"]) for child in one],
        )
        for one in data_set
    }


def value(child: ElementTree.Element, vr: str) -> Any:  # Any: values of all kinds
    kind = child.tag.removeprefix(SPACE)
    if kind == "Item":
        return model(child)
    if kind == "PersonName":
        return {
            group.tag.removeprefix(SPACE): [(one.tag.removeprefix(SPACE), (one.text or "").strip()) for one in group]
            for group in child
        }
    text = (child.text or "").strip("\0 \ufffd")
    try:
        return float(f"{float(text):.6g}") if vr in NUMERIC else text
    except ValueError:
        return text


def differences(ours: Model, theirs: Model) -> set[str]:
    """Tags of elements that both have with the same VR, and whose values differ; and those that we lack."""
    found = set()
    for tag, (vr, values) in theirs.items():
        if tag == "00080005" or tag[4:8] == "0000":
            continue
        if tag not in ours:  # a creator stored as UN is one to us and none to DCMTK
            found |= set() if any(one.startswith(tag[:8]) for one in ours) else {f"-{tag[:8]}"}
        elif ours[tag][0] == vr and vr in COMPARED:
            found |= unequal(tag[:8], vr, ours[tag][1], values)
    return found


def unequal(tag: str, vr: str, ours: list[Any], theirs: list[Any]) -> set[str]:  # Any: values of all kinds
    if vr == "SQ":
        pairs = zip(ours, theirs, strict=False)
        return {tag for one, other in pairs if differences(one, other)} | ({tag} if len(ours) != len(theirs) else set())
    if vr == "PN":  # DCMTK fills an empty name, or group, with the one before it
        ours = [{**theirs[at], **name} if name and at < len(theirs) else {} for at, name in enumerate(ours)]
        theirs = [name if mine else {} for name, mine in zip(theirs, ours, strict=False)]
    return set() if ours == theirs or not any([*ours, *theirs]) else {tag}
