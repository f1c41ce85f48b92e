"""dicomweb-client, unmodified, as the software of the recipient and of the sender."""

import warnings
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import get_expected_length
from requests.exceptions import HTTPError

from tests.faults import tree
from tests.peers import comparing, exchanging
from tests.peers.corpus import Original
from tests.peers.exchanging import Shipment, Verdict
from tests.peers.table import Table

pytestmark = [pytest.mark.peers, pytest.mark.needs("curl", "dcmdump")]
ANY_SYNTAX = (("application/dicom", "*"),)
UNCOMPRESSED = tuple(f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".2", ".1.99"))
# What must be given to whoever asks for nothing in particular; another compression may be answered 406.
GIVEN = (
    *UNCOMPRESSED,
    *(f"1.2.840.10008.1.2.{end}" for end in ("5", *(f"4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91)))),
)
Connect = Callable[[str], DICOMwebClient]


@pytest.fixture(scope="module")
def connect(running: tree.Tree) -> Callable[[str], DICOMwebClient]:
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {exchanging.reader(running)}"

    def client(transfer_id: str) -> DICOMwebClient:
        url = f"{running.base_url}/dicomweb/transfers/{transfer_id}"
        return DICOMwebClient(url, session=session, permissive_uid=True, timeout=120)

    return client


def test_searching_finds_what_was_sent(connect: Connect, available: list[Shipment]) -> None:
    for shipment in available:
        client = connect(shipment.transfer_id)
        series = {original.series for original in shipment.stored}
        assert values(client.search_for_studies(), "0020000D") == {shipment.study}
        assert values(client.search_for_series(shipment.study), "0020000E") == series
        found = client.search_for_instances(shipment.study, get_remaining=True, limit=100)
        assert values(found, "00080018") == {original.sop_instance for original in shipment.stored}
        assert client.search_for_studies(search_filters={"PatientID": "NOBODY-HAS-THIS"}) == []


def test_retrieving_gives_equal_data_sets(connect: Connect, available: list[Shipment], table: Table) -> None:
    peer = "dicomweb-client, transfer-syntax=*"
    for shipment in available:
        found = by_uid(connect(shipment.transfer_id).retrieve_study(shipment.study, media_types=ANY_SYNTAX))
        for original in shipment.stored:
            ds = found.get(original.sop_instance)
            is_equal = ds is not None and comparing.are_equal(ds, comparing.read(original.path))
            table.record(peer, original, why="" if is_equal else "another data set")
    assert not table.failures(peer)


def test_default_accept_gives_the_same_uncompressed(connect: Connect, available: list[Shipment], table: Table) -> None:
    peer = "dicomweb-client, default Accept"
    for shipment in available:
        for original in shipment.stored:
            try:
                names = (original.study, original.series, original.sop_instance)
                ds = connect(shipment.transfer_id).retrieve_instance(*names, media_types=("application/dicom",))
            except HTTPError as error:
                table.record(peer, original, why=f"{error.response.status_code} {original.transfer_syntax}")
            else:
                is_given = original.transfer_syntax in (ds.file_meta.TransferSyntaxUID, *UNCOMPRESSED)
                are_alike = comparing.are_alike if is_given else comparing.are_alike_decompressed
                is_alike = are_alike(ds, comparing.read(original.path))
                table.record(peer, original, why="" if is_alike else "another data set")
    assert not [why for why in table.failures(peer) if " 406 " not in why or why.split()[-1] in GIVEN]


def test_metadata_say_what_the_files_say(connect: Connect, available: list[Shipment], table: Table) -> None:
    peer = "dicomweb-client, metadata"
    for shipment in available:
        metadata = connect(shipment.transfer_id).retrieve_study_metadata(shipment.study)
        found = {one["00080018"]["Value"][0]: one for one in metadata}
        for original in shipment.stored:
            wrong = comparing.differences(found[original.sop_instance], comparing.read(original.path))
            table.record(peer, original, why=", ".join(wrong))
    assert not table.failures(peer)


def test_first_and_last_frame_are_those_of_the_file(connect: Connect, available: list[Shipment], table: Table) -> None:
    peer = "dicomweb-client, frames"
    for shipment in available:
        client = connect(shipment.transfer_id)
        for original in shipment.stored:
            ds = comparing.read(original.path)
            if (frames := first_and_last_frame(ds)) is None:
                continue
            numbers = [1, int(ds.get("NumberOfFrames") or 1)][: len(frames)]
            names = (original.study, original.series, original.sop_instance)
            try:
                found = client.retrieve_instance_frames(*names, numbers, (("application/octet-stream", "*"),))
            except HTTPError as error:
                table.record(peer, original, why=f"{error.response.status_code} {original.transfer_syntax}")
            else:
                table.record(peer, original, why="" if found == frames else "other pixels")
    assert not table.failures(peer)


def test_storing_what_pydicom_writes(running: tree.Tree, shipments: list[Shipment], table: Table) -> None:
    """The client writes files of its own, so the data sets are compared; bodies past a million octets are chunked."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {exchanging.sender(running)}"
    sent: list[Shipment] = []
    for shipment in shipments:
        writable = [original for original in shipment.stored if is_writable(original)]
        if writable:
            transfer_id = exchanging.draft(running, "general-hospital.neurology")
            url = f"{running.base_url}/dicomweb/transfers/{transfer_id}"
            client = DICOMwebClient(url, session=session, timeout=120)
            answer = client.store_instances([comparing.read(original.path) for original in writable])
            assert "FailedSOPSequence" not in answer
            sent.append(Shipment(transfer_id, "general-hospital.neurology", [Verdict(one, 0, "") for one in writable]))
    exchanging.send(running, [one.transfer_id for one in sent])
    peer = "dicomweb-client, store"
    for shipment in sent:
        found = by_uid(map(comparing.read, exchanging.parts(exchanging.pull(running, shipment))))
        for original in shipment.stored:
            is_alike = comparing.are_alike(found[original.sop_instance], comparing.read(original.path))
            table.record(peer, original, why="" if is_alike else "another data set")
    assert not table.failures(peer)


def values(found: Iterable[Any], tag: str) -> set[str]:  # Any: DICOM JSON
    return {one[tag]["Value"][0] for one in found}


def by_uid(found: Iterable[Dataset]) -> dict[str, Dataset]:
    return {str(ds.SOPInstanceUID): ds for ds in found}


def first_and_last_frame(ds: Dataset) -> list[bytes] | None:
    """What pydicom cuts out of the pixel data; None where there are none, or frames do not begin at an octet."""
    if (
        not {"PixelData", "SamplesPerPixel", "Rows"} <= set(ds.dir())
        or not str(ds.get("NumberOfFrames") or 1).isdigit()
    ):
        return None
    count = int(ds.get("NumberOfFrames") or 1)
    numbers = [0, count - 1][: min(count, 2)]
    if ds.file_meta.TransferSyntaxUID.is_encapsulated:
        frames = list(generate_frames(ds.PixelData, number_of_frames=count))
        return [frames[number] for number in numbers]
    whole = get_expected_length(ds)
    if whole % count or len(ds.PixelData) < whole:
        return None
    size = whole // count
    return [ds.PixelData[number * size : (number + 1) * size] for number in numbers]


def is_writable(original: Original) -> bool:
    """Whether pydicom, on which the client stands, can write what it has read."""
    try:
        with warnings.catch_warnings(action="ignore"):
            pydicom.dcmwrite(BytesIO(), comparing.read(original.path))
    except Exception:  # whatever a value out of order makes it raise
        return False
    return True
