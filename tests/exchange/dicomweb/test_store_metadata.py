"""Store of metadata with bulk data: metadata that cannot be read, do not fit or do not come whole."""

import json

import pytest

from tests import factories
from tests.exchange.dicomweb.conftest import Site
from tests.exchange.dicomweb.storing import (
    JSON,
    MALFORMED,
    PIXELS,
    TO,
    WRONG_STUDY,
    Part,
    body,
    bulk,
    ct,
    failed,
    file,
    metadata,
    module,
    post,
    reasons,
    store,
    stored,
    uid,
)
from transfers import sandbox
from transfers.receiving import composed


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'[{"00080018": {"vr": "UI"}, "00080018": {"vr": "UI"}}]', "twice"),
        (b"\xff\xfe[]", "JSON"),
        (b"{}", "array"),
        (b"[]", "array"),
    ],
)
def test_what_is_no_array_of_data_sets_is_refused(alice: Site, content: bytes, words: str) -> None:
    reply = store(alice, Part(content, {"Content-Type": JSON}), bulk(PIXELS, "pixels"))
    assert reply.status == 400 and words in json.loads(reply.body)["detail"]


def test_metadata_have_a_limit(alice: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed, "MAX_METADATA", 1000)
    reply = store(alice, metadata(ct(), ct()), bulk(PIXELS, "pixels"))
    assert reply.status == 413 and "bulk data" in json.loads(reply.body)["detail"]


def test_one_that_cannot_be_written_fails_alone_and_by_its_tag(alice: Site) -> None:
    good, bad = ct("a"), ct("b")
    bad["00280010"] = {"vr": "US", "Value": [-1]}
    reply = store(alice, metadata(bad, good), bulk(PIXELS, "a"), bulk(PIXELS, "b"))
    assert (reply.status, failed(reply), stored(reply)) == (202, [uid(bad)], [uid(good)])
    (item,) = module(reply)["00081198"]["Value"]
    assert "00280010" in item["00000902"]["Value"][0]


def test_what_has_no_uids_is_nameless(alice: Site) -> None:
    reply = store(alice, metadata({"00080060": {"vr": "CS", "Value": ["CT"]}}))
    assert (reply.status, reasons(reply)) == (409, [MALFORMED])
    assert "0008119A" in module(reply)


def test_a_study_in_the_url_refuses_others(alice: Site) -> None:
    study = factories.make_uid()
    members = [ct("a", StudyInstanceUID=study), ct("b")]
    reply = store(alice, metadata(*members), bulk(PIXELS, "a"), bulk(PIXELS, "b"), path=f"{TO}/{study}")
    assert (reply.status, reasons(reply), failed(reply)) == (202, [WRONG_STUDY], [uid(members[1])])


def test_a_body_that_is_cut_keeps_what_is_whole(alice: Site) -> None:
    members = [ct("a"), ct("b")]
    octets = body([metadata(*members), bulk(PIXELS, "a"), bulk(PIXELS, "b")])
    reply = post(alice, octets[:-100])
    assert (reply.status, stored(reply)) == (400, [uid(members[0])])


def test_a_body_that_is_cut_behind_the_last_value_is_cut_too(alice: Site) -> None:
    octets = body([metadata(ct()), bulk(PIXELS, "pixels")])
    assert post(alice, octets[:-10]).status == 400


def test_metadata_come_first(alice: Site) -> None:
    reply = store(alice, bulk(PIXELS, "pixels"), metadata(ct()))
    assert reply.status == 400 and "first part" in json.loads(reply.body)["detail"]


def test_without_a_type_the_first_part_decides(alice: Site) -> None:
    octets = body([metadata(ct()), bulk(PIXELS, "pixels")])
    assert post(alice, octets, content_type="multipart/related; boundary=next").status == 200


def test_a_first_part_without_a_type_is_of_the_root(alice: Site) -> None:
    first = Part(metadata(ct()).content)
    assert store(alice, first, bulk(PIXELS, "pixels")).status == 200


def test_files_do_not_come_among_bulk_data(alice: Site) -> None:
    reply = store(alice, metadata(ct()), bulk(PIXELS, "pixels"), file(factories.make_ct()))
    assert len(stored(reply)) == 1 and "1 parts" in reply.headers["Warning"]


def test_the_process_that_reads_is_killed_by_nothing_that_comes(alice: Site) -> None:
    """What kills the child is the request's fault, not the server's."""
    for depth in (500, 100_000):
        content = b'[{"00081140":{"vr":"SQ","Value":' * depth + b"[]" + b"}}]" * depth
        assert store(alice, Part(content, {"Content-Type": JSON})).status in (400, 409)
    assert sandbox.compose(metadata(ct()).content)[0].native_length == 512
