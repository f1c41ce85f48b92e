"""Store of files: what a body may look like, and what is answered to it."""

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from tests import factories
from tests.exchange.dicomweb.conftest import Site
from tests.exchange.dicomweb.storing import TO, Part, body, failed, file, kept, module, post, reasons, store, stored
from tests.transfers.formats.test_nativexml import expected
from tests.transfers.formats.test_nativexml import read as read_xml
from transfers import errors
from transfers.models import Instance, Transfer

FILES = "application/dicom"
MALFORMED, WRONG_STUDY = 0xC000, 0xA901


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/related; type="application/dicom"; boundary=next',
        "multipart/related; type=application/dicom; boundary=next",
        'Multipart/Related; boundary="next"; type="Application/DICOM"',
        "multipart/related; boundary=next",
        'multipart/related; type="application/dicom"; boundary=next; start="<1>"; start-info=x',
    ],
)
def test_the_type_may_be_written_in_several_ways(alice: Site, content_type: str) -> None:
    reply = post(alice, body([file(factories.make_ct())]), content_type=content_type)
    assert reply.status == 200 and len(stored(reply)) == 1


@pytest.mark.parametrize("boundary", ["a=b'c", "gc0p4Jq0M2Yt08jU534c0p", "a+_,-./:=?", "x" * 70])
def test_any_boundary_will_do(alice: Site, boundary: str) -> None:
    content_type = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
    assert post(alice, body([file(factories.make_ct())], boundary=boundary), content_type=content_type).status == 200


def test_a_boundary_is_needed(alice: Site) -> None:
    reply = post(alice, body([]), content_type='multipart/related; type="application/dicom"')
    assert reply.status == 400 and "boundary" in json.loads(reply.body)["detail"]


def test_pixels_may_end_like_a_line(alice: Site) -> None:
    content = factories.make_ct(pixels=b"\r\n--nex\r\n" * 51 + b"\r\n--\r\n\r\n")
    (uid,) = stored(store(alice, file(content), root=FILES))
    assert kept(uid) == content


def test_preamble_and_epilogue_are_no_parts(alice: Site) -> None:
    octets = b"This is a multipart body.\r\n" + body([file(factories.make_ct())]) + b"--next\r\nand so on"
    assert post(alice, octets, root=FILES).status == 200


@pytest.mark.parametrize(
    "octets",
    [
        b"--next--\r\n",
        body([file(factories.make_ct())]).replace(b"\r\n", b"\n"),
        body([file(factories.make_ct())])[:-20],
    ],
    ids=["no part", "line feeds", "cut off"],
)
def test_what_is_no_body_is_refused(alice: Site, octets: bytes) -> None:
    reply = post(alice, octets, root=FILES)
    (told,) = module(reply)["0008119A"]["Value"]
    assert (reply.status, told["00081197"]["Value"]) == (400, [MALFORMED])
    assert told["00000902"]["Value"][0].startswith(("The body holds no", "The multipart body is", "The body was cut"))
    assert not Instance.objects.exists()


def test_what_is_whole_before_a_cut_is_kept_and_listed(alice: Site) -> None:
    octets = body([file(factories.make_ct()), file(factories.make_ct())])
    reply = post(alice, octets[:-300], root=FILES)
    assert reply.status == 400 and len(stored(reply)) == Instance.objects.count() == 1
    assert "multipart" in reply.headers["Warning"]


def test_one_good_and_one_that_is_none(alice: Site) -> None:
    reply = store(alice, file(factories.make_ct()), file(b"not DICOM"), root=FILES)
    assert reply.status == 202
    assert len(stored(reply)) == 1
    assert [item["00081197"]["Value"] for item in module(reply)["0008119A"]["Value"]] == [[MALFORMED]]


def test_all_bad_is_a_conflict_with_the_module(alice: Site) -> None:
    reply = store(alice, file(b"no"), file(b"neither"), root=FILES)
    assert (reply.status, reasons(reply), stored(reply)) == (409, [MALFORMED, MALFORMED], [])


def test_a_sentence_too_long_for_its_element_is_told_whole(alice: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "The data set cannot be read, and this sentence says so at more length than 64 characters."
    monkeypatch.setattr(errors.NotDicom, "sentence", sentence)
    reply = store(alice, file(b"no"), file(b"neither"), root=FILES)
    comments = {item["00000902"]["Value"][0] for item in module(reply)["0008119A"]["Value"]}
    assert comments == {sentence[:63] + "…"}
    assert reply.headers["Warning"].count(sentence) == 1


def test_of_what_is_refused_no_transfer_is_left(alice: Site) -> None:
    good = factories.make_ct()
    assert store(alice, file(good[:-10]), root=FILES).status == 409
    assert not Transfer.objects.exists()
    assert store(alice, file(good[:-10]), path="/dicomweb/studies", root=FILES).status == 409
    assert not Transfer.objects.exists()
    assert store(alice, file(good[:-10]), file(good), root=FILES).status == 202
    assert Transfer.objects.get().instance_count == 1


def test_a_study_in_the_url_refuses_others(alice: Site) -> None:
    study = factories.make_uid()
    right, wrong = factories.make_ct(StudyInstanceUID=study), factories.make_ct()
    reply = store(alice, file(right), file(wrong), path=f"{TO}/{study}", root=FILES)
    assert (reply.status, reasons(reply), len(failed(reply))) == (202, [WRONG_STUDY], 1)
    assert store(alice, file(wrong), path=f"{TO}/{study}", root=FILES).status == 409


def test_several_studies_come_in_one_request(alice: Site) -> None:
    reply = store(alice, *(file(factories.make_ct()) for _ in range(3)), root=FILES)
    assert (reply.status, len(stored(reply)), Transfer.objects.count()) == (200, 3, 3)
    assert module(reply)["00081190"] == {"vr": "UR"}  # no one study to name


def test_one_study_is_named(alice: Site) -> None:
    study = factories.make_uid()
    reply = store(alice, file(factories.make_ct(StudyInstanceUID=study)), root=FILES)
    (url,) = module(reply)["00081190"]["Value"]
    assert url.endswith(f"/studies/{study}") and url.startswith(reply.headers["Location"].removesuffix("/studies"))


def test_the_same_twice_is_a_success_without_effect(alice: Site) -> None:
    content = factories.make_ct()
    store(alice, file(content), root=FILES)
    reply = store(alice, file(content), root=FILES)
    assert (reply.status, len(stored(reply)), Instance.objects.count()) == (200, 1, 1)


@pytest.mark.parametrize(
    ("content_type", "words"),
    [
        ("text/plain", "multipart/related"),
        ('multipart/related; type="image/jpeg"; boundary=next', "application/dicom"),
        ('multipart/related; type="application/octet-stream"; boundary=next', "application/dicom"),
        ('multipart/related; type="application/dicom+xml"; boundary=next', "XML"),
        ("application/dicom+json", "multipart/related"),
    ],
)
def test_other_types_are_told_what_to_send(alice: Site, content_type: str, words: str) -> None:
    reply = post(alice, body([Part(b"x")]), content_type=content_type)
    assert reply.status == 415 and words in json.loads(reply.body)["detail"]


def test_without_a_type_the_first_part_decides(alice: Site) -> None:
    parts = [Part(b"<NativeDicomModel/>", {"Content-Type": "application/dicom+xml"})]
    assert post(alice, body(parts), content_type="multipart/related; boundary=next").status == 415


def test_who_has_no_key_is_not_listened_to(alice: Site, charlie: Site) -> None:
    assert post(Site(alice.organization, ""), body([file(factories.make_ct())]), root=FILES).status == 401
    assert not Instance.objects.exists()


def test_the_outcome_comes_in_xml_if_asked(alice: Site) -> None:
    content = factories.make_ct()
    in_json = store(alice, file(content), root=FILES)
    in_xml = store(alice, file(content), root=FILES, Accept="application/dicom+xml")
    assert in_xml.headers["Content-Type"] == "application/dicom+xml"
    assert read_xml(ElementTree.fromstring(in_xml.body)) == expected(module(in_json))
    assert store(alice, file(content), root=FILES, Accept="text/html").headers["Content-Type"] == FILES + "+json"


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_what_lacks_a_uid_is_told_by_its_own(alice: Site, missing: str) -> None:
    uid = factories.make_uid()
    without: dict[str, Any] = {missing: None}  # Any: element values
    reply = store(alice, file(factories.make_ct(SOPInstanceUID=uid, **without)), root=FILES)
    (told,) = module(reply)["00081198"]["Value"]
    assert (reply.status, told["00081155"]["Value"]) == (409, [uid])
    called = missing.replace("Instance", " Instance ")
    assert told["00000902"]["Value"] == [f"The {called} is missing or malformed."]
