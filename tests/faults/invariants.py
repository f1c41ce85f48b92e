"""What must hold after every fault, asked from outside: over DICOMweb, in the mail folder, and of the operator's tools.

The oracle is the sender's journal. Only what it cannot know (which transfers there are) comes from the database.
"""

import hashlib
import http.client
from collections import Counter
from email import message_from_bytes, policy
from typing import Final
from urllib.parse import urlsplit

from tests.faults import sending
from tests.faults import tree as trees
from tests.faults.sending import TIMEOUT, Journal
from tests.faults.tree import Tree

_ACCEPT: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
# Recurring jobs always wait; one that is merely overdue by less than this is not stuck.
_UNDONE: Final = """
    SELECT event, state, error FROM transfers_job
     WHERE state = 'dead' OR (state IN ('waiting', 'running') AND event NOT LIKE 'sweep.%%'
           AND event NOT IN ('packs.discard', 'audit.seal'))
"""
_SWEPT: Final = "SELECT id FROM transfers_job WHERE event = 'sweep.storage' AND state = 'waiting' AND due_at > now()"
_UNSETTLED: Final = "SELECT id, state FROM transfers_transfer WHERE state IN ('receiving', 'validating')"


def check_all(tree: Tree, journal: Journal) -> None:
    """Wait until everything has drained, then check every invariant."""
    settle(tree)
    assert_nothing_acknowledged_is_lost(tree, journal)
    assert_one_notice_each(tree)
    assert_tools_find_no_fault(tree)


def settle(tree: Tree, *, seconds: float = 240.0) -> None:
    """Wait until no job and no transfer is on its way; none of the jobs may be dead."""
    trees.wait_for(tree.is_ready, seconds=seconds, what="the exchange being ready again")
    trees.wait_for(lambda: not tree.rows(_UNSETTLED), seconds=seconds, what="the end of receiving and validating")
    trees.wait_for(lambda: not _undone(tree), seconds=seconds, what="an empty queue")


def age_leases(tree: Tree) -> None:
    """Let the time pass after which a killed process counts as dead. Nobody may be pushing."""
    trees.wait_for(tree.is_ready, seconds=240.0, what="the exchange being ready again")
    tree.rows("UPDATE transfers_lease SET heartbeat_at = heartbeat_at - interval '10 minutes'")
    tree.rows("UPDATE transfers_job SET lease_until = lease_until - interval '10 minutes' WHERE state = 'running'")


def assert_nothing_acknowledged_is_lost(tree: Tree, journal: Journal) -> None:
    """Every acknowledged instance comes back to its recipient with the SHA-256 it was sent with."""
    assert journal.digests, "nothing was acknowledged: the test shows nothing"
    came_back: set[str] = set()
    for study in sorted(set(journal.studies.values())):
        came_back |= pull_digests(tree, study)
    lost = {uid for uid, digest in journal.digests.items() if digest not in came_back}
    assert not lost, f"{len(lost)} of {len(journal.digests)} acknowledged instances are lost"


def assert_one_notice_each(tree: Tree) -> None:
    """Of each available transfer every recipient got a mail; repeats carry the Message-ID of the first."""
    mails = Counter(_message_ids(tree))
    wanted = tree.rows(
        "SELECT d.id, n.message_id FROM transfers_delivery d JOIN transfers_transfer t ON t.id = d.transfer_id"
        "  LEFT JOIN transfers_notification n ON n.delivery_id = d.id AND n.event = 'available'"
        " WHERE t.state = 'available' AND d.access = 'open'"
    )
    assert wanted, "nothing became available: the test shows nothing"
    assert max(Counter(delivery for delivery, _ in wanted).values()) == 1
    unsent = [delivery for delivery, message_id in wanted if not mails[message_id or ""]]
    assert not unsent, f"{len(unsent)} of {len(wanted)} recipients were not told"
    written = {message_id for (message_id,) in tree.rows("SELECT message_id FROM transfers_notification")}
    assert set(mails) <= written, "a mail went out under a Message-ID that no row knows"


def assert_tools_find_no_fault(tree: Tree) -> None:
    """The audit chain verifies, and what is stored is what the rows say.

    The row of a pack in which nothing was acknowledged may be lost with the database: the daily sweep, asked for
    at once, takes such an object away.
    """
    tree.rows("UPDATE transfers_job SET due_at = now() WHERE event = 'sweep.storage' AND state = 'waiting'")
    trees.wait_for(lambda: tree.rows(_SWEPT), what="the sweep")
    assert "No fault found." in tree.manage("fsck", "--read-data").stdout
    tree.manage("audit_verify")


def pull_digests(tree: Tree, study_instance_uid: str) -> set[str]:
    """SHA-256 of each instance of a study as its recipient gets it; none where there is nothing to get.

    An answer that is shorter than it said is no answer.
    """
    address = urlsplit(tree.base_url)
    client = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT)
    try:
        credential = f"Bearer {tree.sites['general-hospital'].read_key}"
        path = f"/dicomweb/studies/{study_instance_uid}"
        client.request("GET", path, headers={"Authorization": credential, "Accept": _ACCEPT})
        response = client.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        sending.tell_if_unanswered(error, "pull")
        return set()
    finally:
        client.close()
    assert response.status != 500
    return _digests(body, response.headers.get_param("boundary")) if response.status == 200 else set()


def notices(tree: Tree, transfers: set[str]) -> int:
    """How many different mails said that one of these transfers is available."""
    about = tree.rows(
        "SELECT message_id FROM transfers_notification WHERE event = 'available' AND transfer_id = ANY(%s::uuid[])",
        list(transfers),
    )
    sent = set(_message_ids(tree))
    return sum(message_id in sent for (message_id,) in about)


def _digests(body: bytes, boundary: object) -> set[str]:
    delimiter = f"--{boundary}".encode()
    assert body.rstrip().endswith(delimiter + b"--")
    parts = (b"\r\n" + body).split(b"\r\n" + delimiter)[1:-1]
    return {hashlib.sha256(part.split(b"\r\n\r\n", 1)[1]).hexdigest() for part in parts}


def _message_ids(tree: Tree) -> list[str]:
    """Of every mail in the folder."""
    mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in tree.mail.glob("*.eml")]
    return [str(mail["Message-ID"]) for mail in mails]


def _undone(tree: Tree) -> list[tuple[str, ...]]:
    undone = tree.rows(_UNDONE)
    dead = [job for job in undone if job[1] == "dead"]
    assert not dead, f"dead jobs: {dead}"
    return undone
