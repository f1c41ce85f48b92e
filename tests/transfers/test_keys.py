"""Keys: made once, bound, destroyed for good (docs/envelope.md Section 5)."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from transfers import errors, keys

DAY = date(2031, 5, 4)
WRAP_FOR = {"organization": "st-elsewhere", "transfer": "t1"}
OTHER_PROCESS = """
import sys
from datetime import date
from django.conf import settings
settings.configure(EXCHANGE_KEYS=sys.argv[1])
from transfers import keys
print(keys.day_key(date(2031, 5, 4)).id, keys.pepper().hex())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.EXCHANGE_KEYS = (tmp_path / "keys").as_uri()
    settings.EXCHANGE_ROOT_KEY = ""
    return tmp_path / "keys"


def test_a_day_has_one_key() -> None:
    assert keys.day_key(DAY) == keys.day_key(DAY) == keys.day_key_by_id(keys.day_key(DAY).id)


def test_two_days_have_two_keys() -> None:
    assert keys.day_key(DAY).key != keys.day_key(date(2031, 5, 5)).key


def test_day_keys_are_listed() -> None:
    later, sooner = keys.day_key(date(2031, 5, 5)), keys.day_key(DAY)
    assert [name.id for name in keys.list_day_keys()] == [sooner.id, later.id]


def test_a_day_key_does_not_show_itself() -> None:
    key = keys.day_key(DAY)
    assert key.key.hex() not in repr(key)
    assert repr(key.key) not in repr(key)


def test_threads_that_race_get_the_same_key() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: keys.day_key(DAY), range(32)))
    assert len(set(found)) == 1
    assert len(keys.list_day_keys()) == 1


def test_processes_that_race_get_the_same_keys(settings: Settings) -> None:
    command = [sys.executable, "-c", OTHER_PROCESS, settings.EXCHANGE_KEYS]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    answers = {process.communicate()[0] for process in racing}
    assert answers == {f"{keys.day_key(DAY).id} {keys.pepper().hex()}\n".encode()}


def test_only_the_owner_may_read(folder: Path) -> None:
    keys.day_key(DAY)
    keys.append_destruction({"transfer": "t1"})
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_a_folder_open_to_others_is_refused(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o750)
    with pytest.raises(errors.KeyUnavailable):
        keys.day_key(DAY)


def test_the_file_is_named_after_day_and_id(folder: Path) -> None:
    key = keys.day_key(DAY)
    assert key.id.startswith("2031-05-04-")
    assert [file.name for file in folder.glob("*.key")] == [f"day-{key.id}.key"]


def test_what_a_crash_left_is_not_a_key(folder: Path) -> None:
    keys.pepper()
    (folder / ".new-0011").write_text("waystation key 1\npl")
    assert len(keys.day_key(DAY).key) == 32
    assert not list(folder.glob(".new-*"))


def test_a_torn_key_file_is_not_used(folder: Path) -> None:
    key = keys.day_key(DAY)
    (folder / f"day-{key.id}.key").write_text("waystation key 1\nplain 00ff\n")
    with pytest.raises(errors.KeyUnavailable):
        keys.day_key_by_id(key.id)


def test_a_destroyed_key_is_gone(folder: Path) -> None:
    key = keys.day_key(DAY)
    assert keys.destroy_day_key(key.id) == "best effort"
    with pytest.raises(errors.Gone):
        keys.day_key_by_id(key.id)
    assert not list(folder.glob("day-*"))


def test_destroying_overwrites_before_it_removes(folder: Path) -> None:
    key = keys.day_key(DAY)
    file = folder / f"day-{key.id}.key"
    os.link(file, folder / "kept")
    keys.destroy_day_key(key.id)
    assert key.key.hex().encode() not in (folder / "kept").read_bytes()


def test_destroying_twice_says_the_same() -> None:
    key = keys.day_key(DAY)
    keys.destroy_day_key(key.id)
    written = keys.read_destructions()
    assert keys.destroy_day_key(key.id) == "best effort"
    assert keys.read_destructions() == written


def test_a_crash_before_the_record_is_made_good(folder: Path) -> None:
    key = keys.day_key(DAY)
    keys.append_destruction({"event": "day key", "day_key": key.id, "outcome": "begun"})
    (folder / f"day-{key.id}.key").unlink()
    assert keys.destroy_day_key(key.id) == "best effort"
    assert keys.read_destructions()[-1]["outcome"] == "best effort"


def test_a_key_of_another_folder_is_not_called_destroyed() -> None:
    with pytest.raises(errors.KeyUnavailable):
        keys.destroy_day_key("2031-05-04-0123456789abcdef")


def test_a_day_gets_a_new_key_after_its_old_one_was_destroyed() -> None:
    old = keys.day_key(DAY)
    keys.destroy_day_key(old.id)
    assert keys.day_key(DAY).id != old.id


def test_a_key_removed_by_another_process_stops_working_here(folder: Path) -> None:
    key = keys.day_key(DAY)
    (folder / f"day-{key.id}.key").unlink()
    with pytest.raises(errors.KeyUnavailable):
        keys.day_key_by_id(key.id)


@pytest.mark.parametrize("bad", ["", "../../etc/passwd", "2031-05-04-", "2031-05-04-0123456789abcdef\n"])
def test_an_id_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(errors.KeyUnavailable):
        keys.day_key_by_id(bad)


def test_a_transfer_key_comes_back() -> None:
    key, day = keys.new_transfer_key(), keys.day_key(DAY)
    wrapped = keys.wrap(key, day, **WRAP_FOR)
    assert keys.unwrap(wrapped, day_key_id=day.id, **WRAP_FOR) == key
    assert key not in wrapped


@pytest.mark.parametrize("change", [{"transfer": "t2"}, {"organization": "general-hospital"}])
def test_a_transfer_key_of_another_is_refused(change: dict[str, str]) -> None:
    day = keys.day_key(DAY)
    wrapped = keys.wrap(keys.new_transfer_key(), day, **WRAP_FOR)
    with pytest.raises(errors.Integrity):
        keys.unwrap(wrapped, day_key_id=day.id, **{**WRAP_FOR, **change})


def test_a_transfer_key_under_another_day_is_refused() -> None:
    wrapped = keys.wrap(keys.new_transfer_key(), keys.day_key(DAY), **WRAP_FOR)
    with pytest.raises(errors.Integrity):
        keys.unwrap(wrapped, day_key_id=keys.day_key(date(2031, 5, 5)).id, **WRAP_FOR)


def test_a_transfer_key_dies_with_its_day() -> None:
    day = keys.day_key(DAY)
    wrapped = keys.wrap(keys.new_transfer_key(), day, **WRAP_FOR)
    keys.destroy_day_key(day.id)
    with pytest.raises(errors.Gone):
        keys.unwrap(wrapped, day_key_id=day.id, **WRAP_FOR)


def test_every_purpose_has_a_key_of_its_own() -> None:
    key, day = keys.new_transfer_key(), keys.day_key(DAY)
    purposes = [keys.subkey(key, "packs"), keys.subkey(key, "records"), keys.index_key(day), day.key, key]
    lasting = [keys.register_key(), keys.pepper(), keys.audit_seed(), keys.root_record_key()]
    assert len({*purposes, *lasting}) == 9
    assert {len(one) for one in (*purposes, *lasting)} == {32}


def test_lasting_keys_stay_the_same(settings: Settings) -> None:
    before = keys.pepper(), keys.register_key()
    keys._provider.cache_clear()
    assert (keys.pepper(), keys.register_key()) == before


def test_hashed_parts_do_not_run_together() -> None:
    assert keys.keyed_hash(b"k" * 32, "ab", "c") != keys.keyed_hash(b"k" * 32, "a", "bc")


def test_the_right_folder_is_known_again() -> None:
    assert keys.check_keys(keys.fingerprint())


def test_another_folder_is_told_apart(tmp_path: Path, settings: Settings) -> None:
    known = keys.fingerprint()
    settings.EXCHANGE_KEYS = (tmp_path / "other").as_uri()
    assert not keys.check_keys(known)
    assert not (tmp_path / "other").exists()
    keys.register_key()
    assert not keys.check_keys(known)


def test_the_journal_keeps_its_order() -> None:
    lines: list[dict[str, Any]] = [{"transfer": "t1"}, {"transfer": "t2", "at": "2031-05-04T00:00:00Z"}]
    for line in lines:
        keys.append_destruction(line)
    assert keys.read_destructions() == lines


def test_a_torn_line_of_the_journal_is_dropped(folder: Path) -> None:
    keys.append_destruction({"transfer": "t1"})
    with (folder / "destructions.jsonl").open("a") as journal:
        journal.write('{"transfer": "t')
    assert keys.read_destructions() == [{"transfer": "t1"}]
    keys.append_destruction({"transfer": "t3"})
    assert keys.read_destructions() == [{"transfer": "t1"}, {"transfer": "t3"}]


def test_a_root_key_seals_every_key_file(folder: Path, settings: Settings) -> None:
    settings.EXCHANGE_ROOT_KEY = "11" * 32
    secrets = [keys.day_key(DAY).key, keys.pepper()]
    written = b"".join(file.read_bytes() for file in folder.iterdir())
    assert not any(secret.hex().encode() in written for secret in secrets)


@pytest.mark.parametrize("root", ["", "22" * 32])
def test_another_root_key_opens_nothing(root: str, settings: Settings) -> None:
    settings.EXCHANGE_ROOT_KEY = "11" * 32
    day = keys.day_key(DAY)
    settings.EXCHANGE_ROOT_KEY = root
    with pytest.raises(errors.KeyUnavailable):
        keys.day_key_by_id(day.id)


def test_a_sealed_key_file_under_another_name_does_not_open(folder: Path, settings: Settings) -> None:
    settings.EXCHANGE_ROOT_KEY = "11" * 32
    keys.register_key()
    (folder / "register.key").rename(folder / "pepper.key")
    with pytest.raises(errors.KeyUnavailable):
        keys.pepper()


@pytest.mark.parametrize("root", ["short", "11" * 31, "=" * 44])
def test_a_malformed_root_key_is_refused(root: str, settings: Settings) -> None:
    settings.EXCHANGE_ROOT_KEY = root
    with pytest.raises(errors.KeyUnavailable):
        keys.pepper()


@pytest.mark.parametrize("url", ["", "/srv/keys", "file://host/keys", "vault://keys"])
def test_an_unknown_provider_is_refused(url: str, settings: Settings) -> None:
    settings.EXCHANGE_KEYS = url
    with pytest.raises(errors.KeyUnavailable):
        keys.pepper()
