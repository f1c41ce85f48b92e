"""What is planted through every door lies nowhere in the open, and is gone when its day key is.

UIDs, digests, sizes and times are not meant: they are plain by design.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.canaries import needles, typed
from tests.canaries.conftest import Place, surroundings
from tests.canaries.planting import Planted, Planting
from tests.faults import invariants
from tests.faults import tree as trees
from tests.faults.tree import MANAGE, Tree
from transfers import errors
from transfers.keys import opened
from transfers.keys.opened import TransferKey, WrappedKey

pytestmark = pytest.mark.faults
END_OF_DAY = """
from datetime import timedelta
from transfers import expiring
from transfers.expiring import clock
now = clock.now
clock.now = lambda: now() + timedelta(days=400)
print(expiring.destroy_day_keys(), "destroyed")
"""


@pytest.fixture(scope="module")
def planting(place: Place) -> Planting:
    ours = Planting(place.tree)
    ours.push_to_address()
    ours.push_what_is_refused()
    ours.send_over_the_api()
    ours.decline()
    ours.search()
    ours.mistype()
    ours.type_on_pages()
    ours.go_wrong_at_the_doors()
    ours.take_secrets()
    invariants.settle(place.tree)
    return ours


@pytest.fixture(scope="module")
def planted(planting: Planting) -> Planted:
    return planting.planted


def test_planted_texts_come_back_to_whom_they_are_for(planting: Planting, planted: Planted) -> None:
    """That the search below looks for what is really there."""
    transfer = planted.transfers["sent"]
    seen = planting.get(f"/api/transfers/{transfer}/", key=planting.sender.read_key).text
    for label in ("message", "document title", "release note"):
        assert planted.texts[label] in seen, label
    for label in ("first patient", "pushed"):
        metadata = f"/dicomweb/studies/{planted.files[label].study_instance_uid}/metadata"
        body = planting.get(metadata, key=planting.recipient.read_key).text
        assert planted.texts[f"{label}: family name"] in body
        assert planted.texts[f"{label}: comments"] in body


def test_every_field_that_takes_text_was_planted(planted: Planted) -> None:
    assert set(typed.PLANTED.values()) <= set(planted.texts)


def test_no_planted_text_lies_in_the_open(place: Place, planted: Planted) -> None:
    haystack = needles.everything(place.tree, place.temporary)
    planted_spellings = {label: needles.spellings(text) for label, text in planted.texts.items()}
    assert needles.found(haystack, planted_spellings) == []
    to_a_person = {"e-mail address", "e-mail address on a page"}  # all that a mail has to carry: on its envelope
    in_mails = {label: found for label, found in planted_spellings.items() if label not in to_a_person}
    assert needles.found(mails(place), in_mails) == []


def test_no_key_token_or_pin_lies_in_the_open(place: Place, planted: Planted) -> None:
    haystack = needles.everything(place.tree, place.temporary)
    planted_spellings = {label: needles.spellings(text) for label, text in planted.secrets.items()}
    planted_spellings |= {name: needles.key_spellings(key) for name, key in keys_of(place.keys).items()}
    assert needles.found(haystack, planted_spellings) == []
    texts = {where: content for where, content in haystack.items() if where == "the dump" or "/log/" in where}
    assert needles.found_numbers(texts | mails(place), planted.pins) == []


def test_search_finds_what_does_lie_in_the_open(place: Place, planted: Planted) -> None:
    """UIDs are plain columns, and a file beside a log would be seen."""
    (place.temporary / "leak").write_text(planted.texts["message"])
    try:
        haystack = needles.everything(place.tree, place.temporary)
    finally:
        (place.temporary / "leak").unlink()
    uid = {"UID": needles.spellings(planted.files["pushed"].sop_instance_uid)}
    leak = {"message": needles.spellings(planted.texts["message"])}
    assert "UID in the dump" in needles.found(haystack, uid)
    assert needles.found(haystack, leak) == ["message in temporary/leak"]


def test_restore_does_not_bring_back_what_was_withdrawn(
    planting: Planting, planted: Planted, place: Place, tmp_path: Path
) -> None:
    place.tree.manage("backup", str(tmp_path / "backup"))
    withdrawn, kept = planted.transfers["sent"], planted.transfers["pushed"]
    planting.post(f"/api/transfers/{withdrawn}/withdraw/", {})
    invariants.settle(place.tree)
    tree = restored(tmp_path, place, tree_sites=place.tree)
    try:
        again = Planting(tree)
        assert again.get(f"/dicomweb/transfers/{withdrawn}/studies", key=again.sender.read_key).status_code == 410
        assert tree.rows("SELECT wrapped_key FROM transfers_transfer WHERE id = %s", withdrawn) == [(None,)]
        assert again.get(f"/dicomweb/transfers/{kept}/studies", key=again.recipient.read_key).status_code == 200
        came = invariants.pull_digests(tree, planted.files["pushed"].study_instance_uid)
        assert came == {planted.files["pushed"].sha256}
    finally:
        tree.stop()


def test_after_its_day_an_old_dump_and_store_yield_nothing(
    place: Place, planted: Planted, tmp_path: Path, settings: Settings
) -> None:
    """Whoever copied database and packs before, and has the key folder of today, can open nothing."""
    settings.EXCHANGE_KEYS = place.keys.as_uri()
    transfer = planted.transfers["pushed"]
    old = place.tree.rows("SELECT wrapped_key, day_key_id, sender_id FROM transfers_transfer WHERE id = %s", transfer)
    assert unwrapped(old[0], transfer).packs  # while the day key lives, the copy opens
    day_key = needles.key_spellings(keys_of(place.keys)[f"day-{old[0][1]}"])
    everything_old = needles.everything(place.tree)
    let_time_pass(place.tree)
    said = place.tree.manage("shell", "--no-imports", "--command", END_OF_DAY).stdout
    assert "destroyed" in said and not said.startswith("0 ")
    opened._unwrapped.cache_clear()
    with pytest.raises((errors.Gone, errors.KeyUnavailable)):
        unwrapped(old[0], transfer)
    now = needles.everything(place.tree, place.keys, place.mail, place.temporary)
    assert needles.found(now | everything_old, {"the day key": day_key}) == []
    assert not [name for name in now if "/packs/" in name]


def unwrapped(row: tuple[bytes, str, int], transfer: str) -> TransferKey:
    wrapped, day_key_id, sender_id = row
    return opened.open_wrapped(WrappedKey(bytes(wrapped), day_key_id), organization=str(sender_id), transfer=transfer)


def let_time_pass(tree: Tree) -> None:
    """All of them lapse, and their grace is over."""
    tree.rows(
        "UPDATE transfers_transfer SET available_until = now() - interval '3 days',"
        " purge_at = now() - interval '1 day', grace = interval '2 days' WHERE wrapped_key IS NOT NULL"
    )
    asking = "SELECT id FROM transfers_transfer WHERE wrapped_key IS NOT NULL"
    trees.wait_for(lambda: not tree.rows(asking), what="the purge")
    invariants.settle(tree)


def restored(folder: Path, place: Place, *, tree_sites: Tree) -> Tree:
    """Another machine: the backup, and the keys in their place."""
    data, mail, temporary = folder / "data", folder / "mail", folder / "temporary"
    temporary.mkdir()
    keys = folder / "keys"
    shutil.copytree(place.keys, keys)
    settings = surroundings(keys, mail, temporary)
    environment = trees.environment_of(data, trees.free_port()) | settings
    without = [word for name in ("web", "worker", "relay") for word in ("--without", name)]
    command = [*MANAGE, "up", *without, "--then", f"restore {folder / 'backup'}", "--exit"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tree = trees.start(data, settings=settings)
    tree.sites = tree_sites.sites
    tree.manage("maintenance", "off")
    trees.wait_for(tree.is_ready, what="the restored exchange")
    return tree


def mails(place: Place) -> dict[str, bytes]:
    """Every mail, with the soft line ends of quoted-printable removed."""
    return {f"mail {file.name}": re.sub(rb"=\r?\n", b"", file.read_bytes()) for file in place.mail.iterdir()}


def keys_of(folder: Path) -> dict[str, bytes]:
    """The keys in their folder, by name."""
    values = {file.stem: file.read_text().split() for file in folder.glob("*.key")}
    return {name: bytes.fromhex(words[-1]) for name, words in values.items()}
