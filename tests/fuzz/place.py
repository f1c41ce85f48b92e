"""What a long run is aimed at: a running exchange with studies of many kinds, whole ones and ones hardly read."""

import io
import json
import urllib.request
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import pydicom
import pydicom.data
from pydicom.errors import InvalidDicomError

from tests import factories
from tests.faults import tree as trees
from tests.faults.tree import Tree
from tests.fuzz import asking, bodies
from tests.fuzz.grammar import Instance, Place, Request

# Pictures are made of each: what is larger would make a long run a test of patience.
MAX_FILE: Final = 300_000
SENDER: Final = "st-elsewhere"
RECIPIENT: Final = "general-hospital"
_UNDER_WAY: Final = "SELECT 1 FROM transfers_transfer WHERE state = 'validating' LIMIT 1"


@dataclass(frozen=True)
class Target:
    """A running exchange, the keys of both sides, and what they may ask for."""

    port: int
    store_key: str = field(repr=False)
    sender_key: str = field(repr=False)
    recipient_key: str = field(repr=False)
    place: Place

    def key_for(self, request: Request, number: int) -> str:
        """Pushes by the sender's key; what lies below a transfer is read mostly by its sender, who sees drafts too."""
        if request.method == "POST":
            return self.store_key
        is_sender = request.target.startswith("/dicomweb/transfers/") and number % 4
        return self.sender_key if is_sender else self.recipient_key


def prepare(tree: Tree, seed: int) -> Target:
    """Push files that a library ships, each as a transfer that is sent, and tampered ones in a draft."""
    sender, recipient = tree.sites[SENDER], tree.sites[RECIPIENT]
    files = shipped()
    rng = Random(seed)
    whole = {_draft(tree, sender.store_key): renamed(file) for file in files}
    instances = [one for transfer_id, file in whole.items() for one in _push(tree, sender.store_key, transfer_id, file)]
    for transfer_id in dict.fromkeys(one.transfer for one in instances):
        _call(tree, f"/api/transfers/{transfer_id}/send/", sender.store_key, {})
    draft = _draft(tree, sender.store_key)
    for file in files * 2:
        instances += _push(tree, sender.store_key, draft, bodies.mutated(rng, renamed(file)))
    trees.wait_for(lambda: not tree.rows(_UNDER_WAY), seconds=300, what="validation")
    # The same numbers give the same requests: UIDs are new in each run, their order is not.
    place = Place(instances, [RECIPIENT, f"{RECIPIENT}.radiology", "nobody"], files)
    return Target(tree.port, sender.store_key, sender.read_key, recipient.read_key, place)


def issue_key(tree: Tree, site: str, scopes: Sequence[str]) -> str:
    """A further key of a site."""
    values = {"name": "generated requests", "scopes": list(scopes)}
    return str(_call(tree, "/api/keys/", tree.sites[site].manage_key, values)["key"])


def shipped() -> list[bytes]:
    """Every small file of pydicom that it can read itself, of whatever kind."""
    found = []
    with warnings.catch_warnings(action="ignore"):
        for path in sorted((Path(pydicom.data.__file__).parent / "test_files").rglob("*.dcm")):
            if path.stat().st_size > MAX_FILE:
                continue
            try:
                ds = pydicom.dcmread(path)
            # All that pydicom raises for a file it cannot read; NotImplementedError for a VR that it does not know.
            except (InvalidDicomError, OSError, ValueError, NotImplementedError, AttributeError, KeyError):
                continue
            if "SOPInstanceUID" in ds and "StudyInstanceUID" in ds and "SeriesInstanceUID" in ds:
                found.append(path.read_bytes())
    assert found
    return found


def renamed(file: bytes) -> bytes:
    """The same file under UIDs of its own, as long as the old ones: nothing else in it moves."""
    with warnings.catch_warnings(action="ignore"):
        ds = pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True)
    uids = {str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID), str(ds.SOPInstanceUID)}
    for uid in sorted(uids, key=lambda uid: (-len(uid), uid)):  # one may begin like another
        if len(uid) > 14:
            file = file.replace(uid.encode(), factories.make_uid()[: len(uid) - 1].ljust(len(uid), "1").encode())
    return file


def _draft(tree: Tree, key: str) -> str:
    return str(_call(tree, "/api/transfers/", key, {"recipients": [RECIPIENT], "purpose": "treatment"})["id"])


def _push(tree: Tree, key: str, transfer_id: str, file: bytes) -> list[Instance]:
    """What was stored of it: nothing where it was refused."""
    target = f"/dicomweb/transfers/{transfer_id}/studies"
    request = Request("POST", target, [("Content-Type", "application/dicom")], file)
    answer = asking.ask(tree.port, request, key=key)
    assert answer.status in (200, 202, 400, 409), answer
    if answer.status not in (200, 202):
        return []
    urls = [item["00081190"]["Value"][0] for item in json.loads(answer.body)["00081199"]["Value"]]
    return [Instance(transfer_id, *url.split("/")[-5::2]) for url in urls]


def _call(tree: Tree, path: str, key: str, values: Any = None) -> Any:  # Any: JSON
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = None if values is None else json.dumps(values).encode()
    with urllib.request.urlopen(
        urllib.request.Request(tree.base_url + path, data=body, headers=headers), timeout=60
    ) as answer:
        return json.load(answer)
