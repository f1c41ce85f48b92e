"""WADO-URI: one instance by a query, as a picture, a page or a file."""

import io
import re
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from django.test import Client
from PIL import Image
from pydicom.uid import JPEGLosslessSV1, RLELossless

from tests import factories, sealing
from tests.exchange.dicomweb.conftest import Reply, Sent, Site
from tests.exchange.dicomweb.pictures import RAMP, picture, ramp, report, send, shipped, state_for
from transfers.models import Delivery, PullRecord
from transfers.rules.lifecycle import Access

TWO_FRAMES = "SC_rgb_rle_2frame.dcm"


def url(path: str, query: str = "") -> str:
    """The same instance by a query; `query` begins with &."""
    match = re.fullmatch(r"/dicomweb/studies/(.*)/series/(.*)/instances/(.*)", path)
    assert match is not None
    return "/wado?requestType=WADO&studyUID={}&seriesUID={}&objectUID={}".format(*match.groups()) + query


def state_query(path: str) -> str:
    *_, series, _, instance = path.split("/")
    return f"&presentationSeriesUID={series}&presentationUID={instance}"


def dicom(reply: Reply) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(reply.body))


@pytest.fixture
def path(alice: Site, bob: Site) -> str:
    return send(alice, bob, ramp())[0]


@pytest.fixture
def two_frames(alice: Site, bob: Site) -> str:
    return send(alice, bob, shipped(TWO_FRAMES))[0]


def png(bob: Site, path: str, query: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return picture(bob.get(url(path, f"&contentType=image/png{query}")).body)


def test_picture_is_a_jpeg_by_default(bob: Site, path: str) -> None:
    reply = bob.get(url(path))
    assert (reply.status, reply.headers["Content-Type"]) == (200, "image/jpeg")
    assert np.abs(picture(reply.body) - RAMP).max() <= 3
    assert reply.headers["Cache-Control"] == "private, no-store"


def test_browser_gets_a_picture(bob: Site, path: str) -> None:
    reply = bob.get(url(path), accept="text/html,application/xhtml+xml,image/avif,*/*;q=0.8")
    assert reply.headers["Content-Type"] == "image/jpeg"


def test_head_has_the_length_and_nothing_is_recorded(bob: Site, path: str) -> None:
    whole, head = bob.get(url(path)), bob.head(url(path))
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(whole.body)))
    assert PullRecord.objects.count() == 1


@pytest.mark.parametrize(
    ("asked", "accept", "given"),
    [
        ("image/png", "*/*", "image/png"),
        ("image/png;q=0.3,image/jpeg;q=0.9", "*/*", "image/jpeg"),
        ("image/jpeg;q=0.1,image/gif", "*/*", "image/gif"),
        ("image/*", "image/png", "image/jpeg"),
        ("image/tiff", "image/png", "image/png"),
        ("image/tiff,application/dicom;q=0.2", "*/*", "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"),
    ],
)
def test_content_type_comes_before_the_header(bob: Site, path: str, asked: str, accept: str, given: str) -> None:
    assert bob.get(url(path, f"&contentType={asked}"), accept=accept).headers["Content-Type"] == given


def test_type_that_cannot_be_given_is_406(bob: Site, path: str) -> None:
    assert bob.get(url(path, "&contentType=video/mpeg"), accept="image/tiff").status == 406


def test_unchanged_picture_is_not_sent_again(bob: Site, path: str) -> None:
    tag = bob.get(url(path)).headers["ETag"]
    assert bob.get(url(path), **{"If-None-Match": tag}).status == 304
    assert bob.get(url(path, "&rows=4"), **{"If-None-Match": tag}).status == 200


# What is asked for


@pytest.mark.parametrize(
    "change",
    [
        ("requestType=WADO&", ""),
        ("requestType=WADO", "requestType=wado"),
        ("requestType=WADO", "requestType=WADO&requestType=WADO"),
        ("studyUID=", "study="),
        ("seriesUID=", "series="),
        ("objectUID=", "object="),
        ("objectUID=", "objectUID=x"),
        ("objectUID=", "objectUID=" + "1" * 65),
    ],
)
def test_request_without_its_four_parameters_is_refused(bob: Site, path: str, change: tuple[str, str]) -> None:
    assert bob.get(url(path).replace(*change)).status == 400


@pytest.mark.parametrize(
    "query",
    [
        *("contentType=application/dicom;transfer-syntax=*", "contentType=text/html;charset=utf-8"),
        *("anonymize=no", "anonymize=", "imageQuality=0", "imageQuality=101", "rows=0", "columns=8193", "rows=1.5"),
        *("region=0,0,1", "region=0,0,1,1.1", "region=0.5,0,0.5,1", "region=0,0.6,1,0.4", "region=a,0,1,1"),
        *("windowCenter=1", "windowWidth=1", "windowCenter=a&windowWidth=2", "windowCenter=1&windowWidth=0.5"),
        *("imageAnnotation=", "imageAnnotation=name", "annotation=name", "frameNumber=0", "frameNumber=x"),
        *("frameNumber=1", "frameNumber=2", "presentationUID=1.2", "presentationSeriesUID=1.2"),
        *("presentationUID=1.2&presentationSeriesUID=x", "rows=1&rows=2", "transferSyntax=1.2.840.10008.1.2.1"),
        *("presentationUID=1.2&presentationSeriesUID=1.3&windowCenter=1&windowWidth=2",),
        *(f"contentType=application/dicom&{name}" for name in ("windowCenter=1&windowWidth=2", "rows=1", "region=0")),
        *("contentType=application/dicom&transferSyntax=x", "contentType=application/dicom&transferSyntax="),
    ],
)
def test_bad_parameters_are_refused(bob: Site, path: str, query: str) -> None:
    reply = bob.get(url(path, f"&{query}"))
    assert (reply.status, reply.headers["Content-Type"]) == (400, "application/problem+json")


def test_unknown_parameters_are_let_pass(bob: Site, path: str) -> None:
    assert bob.get(url(path, "&cache=1&session=2")).status == 200


@pytest.mark.parametrize("media_type", ["application/dicom", "image/jpeg"])
def test_anonymizing_is_refused_and_nothing_given(bob: Site, path: str, media_type: str) -> None:
    reply = bob.get(url(path, f"&anonymize=yes&contentType={media_type}"))
    assert reply.status == 403
    assert b"anonymized" in reply.body


def test_other_methods_are_refused(bob: Site) -> None:
    reply = Reply.of(Client().post("/wado", headers={"Authorization": bob.authorization}))
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


# Files


def test_file_is_explicit_little_endian_by_default(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, shipped(TWO_FRAMES))
    reply = bob.get(url(path, "&contentType=application/dicom"))
    assert reply.headers["Content-Type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    stored = pydicom.dcmread(io.BytesIO(shipped(TWO_FRAMES)))
    assert (dicom(reply).pixel_array == stored.pixel_array).all()
    assert set(PullRecord.objects.values_list("kind", "count")) == {("pulled", 1)}


@pytest.mark.parametrize("syntax", ["*", RLELossless])
def test_stored_syntax_gives_the_stored_bytes(bob: Site, two_frames: str, syntax: str) -> None:
    reply = bob.get(url(two_frames, f"&contentType=application/dicom&transferSyntax={syntax}"))
    assert reply.body == shipped(TWO_FRAMES)


def test_syntax_that_cannot_be_given_is_406(bob: Site, path: str) -> None:
    for syntax in (JPEGLosslessSV1, "1.2.3"):
        assert bob.get(url(path, f"&contentType=application/dicom&transferSyntax={syntax}")).status == 406


def test_syntax_that_can_be_encoded_is_given(bob: Site, path: str) -> None:
    reply = bob.get(url(path, f"&contentType=application/dicom&transferSyntax={RLELossless}"))
    assert dicom(reply).file_meta.TransferSyntaxUID == RLELossless
    assert (dicom(reply).pixel_array == RAMP).all()


def test_range_of_a_file_is_honoured(bob: Site, sent: Sent) -> None:
    reply = bob.get(url(sent.instance_path, "&contentType=application/dicom"), Range="bytes=128-131")
    assert (reply.status, reply.body) == (206, b"DICM")


# How an image is shown


def test_window_of_the_request_comes_first(bob: Site, path: str) -> None:
    shown = png(bob, path, "&windowCenter=100&windowWidth=50").ravel()
    assert (abs(int(shown[99]) - 124) <= 2, shown[200]) == (True, 255)


def test_quality_makes_it_smaller(bob: Site, path: str) -> None:
    worst, best = (len(bob.get(url(path, f"&imageQuality={quality}")).body) for quality in (1, 100))
    assert worst < best


@pytest.mark.parametrize(
    ("query", "shape"),
    [
        ("&rows=32", (32, 64)),
        ("&columns=32", (16, 32)),
        ("&rows=100&columns=20", (10, 20)),
        ("&rows=4&columns=100", (4, 8)),
        ("&region=0,0,0.25,1", (8, 4)),
        ("&region=0,0,0.25,1&rows=16", (16, 8)),
    ],
)
def test_size_keeps_the_proportions(alice: Site, bob: Site, query: str, shape: tuple[int, int]) -> None:
    (path,) = send(alice, bob, factories.make_ct(pixels=bytes(2 * 16 * 8), Rows=8))
    assert png(bob, path, query).shape == shape


def test_region_is_cut_out(bob: Site, path: str) -> None:
    assert np.abs(png(bob, path, "&region=0.5,0.25,1,0.75") - RAMP[4:12, 8:]).max() <= 1


def test_least_region_is_one_pixel(bob: Site, path: str) -> None:
    assert png(bob, path, "&region=0.99,0.99,1,1").shape == (1, 1)


def test_one_side_alone_leaves_the_other_within_bounds(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, factories.make_ct(pixels=bytes(2 * 64), Rows=1, Columns=64))
    assert png(bob, path, "&rows=8192").shape == (128, 8192)


@pytest.mark.parametrize("name", ["imageAnnotation", "annotation"])
def test_annotation_is_burned_in(alice: Site, bob: Site, name: str) -> None:
    (path,) = send(alice, bob, factories.make_ct(pixels=bytes(2 * 128 * 128), Rows=128, Columns=128))
    assert png(bob, path, "").max() == 0
    assert png(bob, path, f"&{name}=patient").max() > 200


def test_annotation_that_is_not_offered_is_told(bob: Site, path: str) -> None:
    reply = bob.get(url(path, "&imageAnnotation=patient,stars"))
    assert reply.headers["Warning"].endswith("The following annotation values are not supported: stars")


def test_frame_is_shown_by_its_number(bob: Site, two_frames: str) -> None:
    stored = pydicom.dcmread(io.BytesIO(shipped(TWO_FRAMES))).pixel_array
    for query, frame in (("", 0), ("&frameNumber=1", 0), ("&frameNumber=2", 1)):
        assert np.abs(png(bob, two_frames, query) - stored[frame]).max() == 0
    assert bob.get(url(two_frames, "&frameNumber=3")).status == 400


def test_all_frames_come_as_one_animation(bob: Site, two_frames: str) -> None:
    def count(query: str) -> int:
        reply = bob.get(url(two_frames, f"&contentType=image/gif{query}"))
        return int(getattr(Image.open(io.BytesIO(reply.body)), "n_frames", 1))

    assert (count(""), count("&frameNumber=2")) == (2, 1)


# Presentation states


def test_presentation_state_is_applied(alice: Site, bob: Site) -> None:
    image = ramp()
    path, state = send(alice, bob, image, state_for(image, PresentationLUTShape="INVERSE", ImageRotation=90))
    turned = np.rot90(255 - RAMP, -1)
    assert np.abs(png(bob, path, state_query(state)) - turned).max() <= 1
    assert np.abs(png(bob, state, "") - turned).max() <= 1


def test_region_is_one_of_what_is_presented(alice: Site, bob: Site) -> None:
    image = ramp()
    path, state = send(alice, bob, image, state_for(image, ImageHorizontalFlip="Y"))
    shown = png(bob, path, f"{state_query(state)}&region=0,0,0.5,0.5")
    assert np.abs(shown - RAMP[:, ::-1][:8, :8]).max() <= 1
    assert png(bob, path, f"{state_query(state)}&region=0,0,0.5,0.5&rows=32").shape == (32, 32)


def test_region_of_what_would_be_too_large_is_refused(alice: Site, bob: Site) -> None:
    image = ramp()
    path, state = send(alice, bob, image, state_for(image))
    assert bob.get(url(path, f"{state_query(state)}&region=0,0,0.001,0.001&rows=8192")).status == 400


def test_presentation_state_of_another_image_is_refused(alice: Site, bob: Site, path: str) -> None:
    image = ramp(StudyInstanceUID=path.split("/")[3])
    _, state, other = send(alice, bob, image, state_for(image), ramp(StudyInstanceUID=path.split("/")[3]))
    assert bob.get(url(path, state_query(state))).status == 400
    assert bob.get(url(path, state_query(other))).status == 400


def test_presentation_state_that_is_not_there_is_404(bob: Site, path: str) -> None:
    assert bob.get(url(path, "&presentationUID=1.2&presentationSeriesUID=1.3")).status == 404


@pytest.mark.parametrize("query", ["&frameNumber=1", "&windowCenter=1&windowWidth=2"])
def test_presentation_state_itself_takes_no_frame_and_no_window(alice: Site, bob: Site, query: str) -> None:
    image = ramp()
    state = send(alice, bob, image, state_for(image))[1]
    assert bob.get(url(state, query)).status == 400


def test_presentation_state_without_its_image_is_404(alice: Site, bob: Site) -> None:
    (state,) = send(alice, bob, state_for(ramp()))
    assert bob.get(url(state)).status == 404


# What is no image


def test_report_is_a_page_without_script(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, report())
    reply = bob.get(url(path))
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "sandbox" in reply.headers["Content-Security-Policy"]
    assert b"<script" not in reply.body


def test_report_is_plain_text_in_another_character_set(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, report())
    reply = bob.get(url(path, "&contentType=text/plain&charset=iso-8859-1"))
    assert "Größe 3 cm".encode("latin-1") in reply.body


def test_report_is_a_file_where_that_is_asked_for(alice: Site, bob: Site) -> None:
    file = report()
    (path,) = send(alice, bob, file)
    assert bob.get(url(path, "&contentType=application/dicom")).body == file


def test_report_takes_no_parameters_of_images(alice: Site, bob: Site) -> None:
    (path,) = send(alice, bob, report())
    assert bob.get(url(path, "&rows=12")).status == 400


def test_what_cannot_be_shown_is_given_as_a_file(alice: Site, bob: Site) -> None:
    file = factories.make_ct(pixels=b"", SOPClassUID="1.2.840.10008.5.1.4.1.1.66", Rows=None)
    (path,) = send(alice, bob, file)
    assert bob.get(url(path)).body == file
    assert bob.get(url(path), accept="image/jpeg").status == 406


# Who gets it


def test_stranger_cannot_tell_what_is_foreign_from_what_never_was(charlie: Site, path: str) -> None:
    absent = "/dicomweb/studies/{}/series/{}/instances/{}".format(*(factories.make_uid() for _ in range(3)))
    there, nowhere = charlie.get(url(path)), charlie.get(url(absent))
    assert there.status == 404
    assert replace(there, headers=dict(there.headers)) == replace(nowhere, headers=dict(nowhere.headers))


def test_series_of_another_study_is_404(alice: Site, bob: Site, path: str) -> None:
    (other,) = send(alice, bob, ramp())
    assert bob.get(url(path).replace(path.split("/")[3], other.split("/")[3])).status == 404


def test_lapsed_is_gone(bob: Site, sent: Sent) -> None:
    sealing.lapse(sent.transfer)
    assert bob.get(url(sent.instance_path)).status == 410


def test_revoked_is_404(bob: Site, sent: Sent) -> None:
    Delivery.objects.filter(transfer=sent.transfer).update(access=Access.REVOKED)
    assert bob.get(url(sent.instance_path)).status == 404


def test_query_is_refused_before_anything_is_looked_up(charlie: Site, path: str) -> None:
    assert charlie.get(url(path).replace("requestType=WADO&", "")).status == 400


def test_files_of_all_kinds_are_shown_or_refused(alice: Site, bob: Site) -> None:
    """Nothing that is shipped with a library makes it fail."""
    names = ["CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "image_dfl.dcm", "examples_palette.dcm"]
    for name in names:
        (path,) = send(alice, bob, shipped(name))
        assert bob.get(url(path)).status == 200, name
