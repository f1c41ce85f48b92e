"""OHIF in a browser: finds a study in its list, opens it, and shows every series as our own rendering has it.

The viewer decodes, windows and scales by itself, from the frames as they are stored; what lies on its canvas is
compared with what `/rendered` gives.
"""

import base64
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from tests import factories
from tests.faults import tree
from tests.peers import browser, exchanging, viewer
from tests.peers.browser import Page
from tests.peers.conftest import program
from tests.peers.exchanging import Push

pytestmark = [pytest.mark.peers, pytest.mark.needs("chromium", "npm", "curl", "dcmdump")]
TITLE, CLINIC = "Seen by a viewer", "county-clinic"
# One series each: uncompressed, both ends first, then what the viewer has to decode.
FILES: Final = (
    *("CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm"),
    *("MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_jpeg_dcmtk.dcm"),
)
THUMBNAILS: Final = "[...document.querySelectorAll('[data-cy=\"study-browser-thumbnail\"]')]"
CANVAS: Final = "document.querySelector('canvas.cornerstone-canvas')"
UNKNOWN: Final = "!!document.body?.innerText.includes('not available')"
_LIST_ORIGIN: Final = "UPDATE accounts_organization SET allowed_origins = %s::jsonb WHERE address = %s"
# Grey levels: interpolation differs by a few at edges, lossy decoders by a few everywhere.
MEAN, CORRELATION = 3.0, 0.99
Picture = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Shown:
    study: str
    transfer: str
    paths: list[str]  # of the instances, in the order of their series


@pytest.fixture(scope="module")
def shown(running: tree.Tree, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """A study of as many series as FILES, open to County Clinic."""
    folder, study, paths = tmp_path_factory.mktemp("ohif"), factories.make_uid(), []
    transfer_id = exchanging.draft(running, CLINIC)
    for number, name in enumerate(FILES, start=1):
        ds = _within(name, study, number)
        ds.save_as(folder / name)
        paths.append(f"/studies/{study}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}")
    pushes = [Push(transfer_id, folder / name, "application/dicom") for name in FILES]
    assert {answer.status for answer in exchanging.curl(running, pushes, folder)} == {200}
    exchanging.send(running, [transfer_id])
    assert exchanging.state(running, transfer_id) == "available"
    return Shown(study, transfer_id, paths)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return viewer.built(tmp_path_factory.mktemp("npm"))


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browser.opened(program("chromium"), tmp_path) as page:
        yield page


def test_from_the_list_to_every_series(running: tree.Tree, shown: Shown, dist: Path, page: Page) -> None:
    """The key comes by the viewer's own userAuthenticationService; a proxy makes one origin of both."""
    with viewer.served(dist, running.base_url, key=exchanging.reader(running, CLINIC), same_origin=True) as url:
        page.go(f"{url}?mrn=VIEWED")  # its list takes a hundred studies, and other tests fill it
        row = f"[...document.querySelectorAll('tr')].find(row => row.innerText.includes('{TITLE}'))"
        page.wait_for(f"!!{row}", what="the study in the list")
        page.click(row)
        _press(page, "Basic Viewer")
        page.wait_for(f"{THUMBNAILS}.length == {len(FILES)}", what="a thumbnail of each series")
        _show(page, reference(running, shown.paths[0]), FILES[0])
        _press(page, "Skip all")
        for number, path in enumerate(shown.paths):
            thumbnail = f"{THUMBNAILS}.find(one => one.innerText.includes('S:{number + 1}\\n'))"
            page.click(thumbnail, times=2)
            _show(page, reference(running, path), FILES[number])
        assert page.complaints == []


def test_from_an_origin_of_its_own(running: tree.Tree, shown: Shown, dist: Path, page: Page) -> None:
    """The browser lets it read what is its own by a key of an organisation that lists the origin, and not before."""
    key = exchanging.reader(running, CLINIC)
    with viewer.served(dist, running.base_url, key=key, same_origin=False) as url:
        page.go(f"{url}/viewer?StudyInstanceUIDs={shown.study}")
        page.wait_for(UNKNOWN, what="word that there is no such study")
        assert any("blocked by CORS policy" in complaint for complaint in page.complaints), page.complaints
        running.rows(_LIST_ORIGIN, f'["{url}"]', CLINIC)
        page.complaints.clear()
        page.go(f"{url}/viewer?StudyInstanceUIDs={shown.study}&again")
        page.wait_for(f"{THUMBNAILS}.length == {len(FILES)}", what="a thumbnail of each series")
        _show(page, reference(running, shown.paths[0]), FILES[0])
        assert page.complaints == []


def test_a_key_in_the_address_of_the_viewer(running: tree.Tree, shown: Shown, dist: Path, page: Page) -> None:
    """OHIF takes it out of the address before the page can be kept as a bookmark, and hands us a header."""
    with viewer.served(dist, running.base_url, key="", same_origin=True) as url:
        page.go(f"{url}/viewer?StudyInstanceUIDs={shown.study}&token={exchanging.reader(running, CLINIC)}")
        _show(page, reference(running, shown.paths[0]), FILES[0])
        assert "token" not in page.ask("location.href")


def test_another_key_shows_nothing(running: tree.Tree, shown: Shown, dist: Path, page: Page) -> None:
    """So that a picture above means that it was allowed."""
    with viewer.served(dist, running.base_url, key=exchanging.reader(running), same_origin=True) as url:
        page.go(f"{url}/viewer?StudyInstanceUIDs={shown.study}")
        page.wait_for(UNKNOWN, what="word that there is no such study")
        assert not page.ask(f"!!{CANVAS}")


def reference(running: tree.Tree, path: str) -> Image.Image:
    """Our own picture of an instance."""
    answer = exchanging.ask(
        running, f"/dicomweb{path}/rendered", key=exchanging.reader(running, CLINIC), accept="image/png"
    )
    assert answer.status == 200, answer.body
    return Image.open(io.BytesIO(answer.body)).convert("RGB")


def _within(name: str, study: str, number: int) -> pydicom.Dataset:
    """A file as one series of a study."""
    file = get_testdata_file(name, download=False)
    assert isinstance(file, str)
    ds = pydicom.dcmread(file)
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, factories.make_uid(), factories.make_uid()
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.PatientID, ds.PatientName, ds.StudyDescription = "VIEWED", "Viewed^Patient", TITLE
    ds.StudyDate, ds.SeriesNumber, ds.InstanceNumber = "20261124", number, 1
    return ds


def _press(page: Page, label: str) -> None:
    button = f"[...document.querySelectorAll('button')].find(one => one.innerText == '{label}')"
    page.wait_for(f"!!{button}", what=f"the button {label}")
    page.ask(f"{button}.click()")


def _show(page: Page, ours: Image.Image, name: str) -> None:
    """Wait until the canvas has this picture."""
    page.wait_for(f"!!{CANVAS}", what="a canvas")
    end, told = time.monotonic() + browser.PATIENCE / 2, (256.0, 0.0)
    while told[0] > MEAN or told[1] < CORRELATION:
        assert time.monotonic() < end, f"{name}: mean difference {told[0]:.1f}, correlation {told[1]:.3f}"
        time.sleep(0.25)
        told = _compare(_canvas(page), ours)


def _canvas(page: Page) -> Image.Image:
    url: Any = page.ask(f"{CANVAS}.toDataURL('image/png')")  # Any: JSON
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")


def _compare(canvas: Image.Image, ours: Image.Image) -> tuple[float, float]:
    """Mean difference in grey levels, and correlation, with the picture scaled into the middle of the canvas."""
    scale = min(canvas.width / ours.width, canvas.height / ours.height)
    size = round(ours.width * scale), round(ours.height * scale)
    whole = Image.new("RGB", canvas.size)
    whole.paste(
        ours.resize(size, Image.Resampling.BILINEAR), ((canvas.width - size[0]) // 2, (canvas.height - size[1]) // 2)
    )
    theirs, expected = np.asarray(canvas, dtype=float), np.asarray(whole, dtype=float)
    if not theirs.std():
        return 256.0, 0.0
    return float(np.abs(theirs - expected).mean()), float(np.corrcoef(theirs.ravel(), expected.ravel())[0, 1])
