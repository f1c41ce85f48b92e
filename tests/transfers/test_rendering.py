"""Pictures of real images, beside a reference made with pydicom and numpy alone.

The folder is STUDIES, else what pydicom ships. Where an overlay lies over the picture only the rest is compared.
"""

import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi

from accounts.principals import Principal
from tests import factories, sealing
from transfers import access, errors, rendering, retrieving
from transfers.formats import part10
from transfers.models import Transfer
from transfers.rendering import Failure, Picture, Wishes
from transfers.retrieving import InstanceItem, Target

Array = np.ndarray[Any, np.dtype[Any]]  # Any: any shape, any kind of number
LOSSY = tuple(f"1.2.840.10008.1.2.4.{end}" for end in ("50", "51", "81", "91"))
# A code stream that ends early, and one that promises 58 million rows.
BROKEN = {"JPEG2000-embedded-sequence-delimiter.dcm"}


def files() -> list[Path]:
    folder = os.environ.get("STUDIES") or str(Path(pydicom.data.__file__).parent / "test_files")
    return sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.stat().st_size < 60_000_000)


def images() -> Iterator[tuple[Path, bytes]]:
    """What a push would store and what has pixels."""
    for path in files():
        content = path.read_bytes()
        scanner = part10.Scanner(size=len(content))
        try:
            scanner.feed(content)
            if scanner.finish().pixel_offset is not None:
                yield path, content
        except errors.InstanceRefused:
            continue


def shown(content: bytes, *, number: int = 1) -> Picture | Failure:
    item = item_of(content)
    (one,) = rendering.pictures_of(item, [number], Wishes(media_type="image/png"))
    return one


def item_of(content: bytes) -> InstanceItem:
    sender, recipient = factories.make_organization(), factories.make_organization()
    transfer = sealing.send([content], sender=sender, to=[recipient])
    who: Principal = sealing.caller(recipient)[0]
    study = transfer.studies.get().study_instance_uid
    (item,) = retrieving.select(access.sights(who), Target(study))
    return item


def reference(ds: Dataset) -> Array:
    """Grey or colour as PS3.4 Section N.2 has it, for the first frame."""
    stored = ds.pixel_array
    if int(ds.get("NumberOfFrames") or 1) > 1:
        stored = stored[0]
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(stored, ds)[..., :3]
        return np.asarray(colours >> 8 if colours.dtype == np.uint16 else colours)
    if stored.ndim == 3:
        return np.asarray(stored.astype(np.uint64) >> max(0, ds.BitsStored - 8))
    shades = shade(ds, stored)
    return np.asarray(255.0 - shades if ds.PhotometricInterpretation == "MONOCHROME1" else shades)


def shade(ds: Dataset, stored: Array) -> Array:
    transform, voi = of_frame(ds, "PixelValueTransformationSequence"), of_frame(ds, "FrameVOILUTSequence")
    if transform is not ds:
        values = stored * float(transform.RescaleSlope) + float(transform.RescaleIntercept)
    else:
        values = apply_modality_lut(stored, ds).astype(float)
    center, width = first(voi, "WindowCenter"), first(voi, "WindowWidth")
    if center is not None and width:
        return np.asarray(np.clip((values - (center - 0.5)) / max(width - 1, 1e-9) + 0.5, 0, 1) * 255)
    if "VOILUTSequence" in ds:
        return np.asarray(
            apply_voi(values.astype(stored.dtype), ds) / (2.0 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1) * 255
        )
    return np.asarray((values - values.min()) / ((values.max() - values.min()) or 1) * 255)


def of_frame(ds: Dataset, name: str) -> Dataset:
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        if groups in ds and name in ds[groups][0]:
            found = ds[groups][0][name][0]
            assert isinstance(found, Dataset)
            return found
    return ds


def first(ds: Dataset, keyword: str) -> float | None:
    value = ds.get(keyword)
    value = value[0] if isinstance(value, MultiValue) else value
    return None if value is None else float(value)


@pytest.mark.django_db
def test_every_image_that_can_be_decoded_is_shown_as_it_must_be() -> None:
    wrong, compared = [], 0
    for path, content in images():
        one = shown(content)
        with warnings.catch_warnings(action="ignore"):
            try:
                ds = pydicom.dcmread(io.BytesIO(content))
                wanted = reference(ds)
            except (RuntimeError, ValueError, AttributeError, TypeError):
                continue  # the reference cannot decode it
        if isinstance(one, Failure):
            wrong.append((path.name, one.error.sentence))
            continue
        difference = np.abs(np.asarray(Image.open(io.BytesIO(one.octets))).astype(float) - wanted)
        if (0x6000, 0x0010) in ds:
            difference = difference[np.asarray(Image.open(io.BytesIO(one.octets))) != 255]
        compared += 1
        if difference.max() > (2 if ds.file_meta.TransferSyntaxUID in LOSSY else 1):
            wrong.append((path.name, str(difference.max())))
    assert (wrong, compared > 50) == ([], True)


@pytest.mark.django_db
def test_decoded_frames_are_the_numbers_that_pydicom_reads() -> None:
    compared = 0
    for path, content in images():
        item = item_of(content)
        if item.transfer_syntax_uid not in rendering.DECODABLE or path.name in BROKEN:
            continue
        with warnings.catch_warnings(action="ignore"):
            try:
                ds = pydicom.dcmread(io.BytesIO(content))
                stored = ds.pixel_array
            except RuntimeError:
                continue  # the reference cannot decode it
            pieces = rendering.made_whole(rendering.decompressed_pieces(item))
            given = pydicom.dcmread(io.BytesIO(b"".join(piece for piece in pieces if isinstance(piece, bytes))))
            difference = np.abs(given.pixel_array.astype(float) - stored.astype(float)).max()
        assert difference <= (1 if item.transfer_syntax_uid in LOSSY else 0), path.name
        compared += 1
    assert compared > 20


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "SC_rgb_rle_2frame.dcm"])
def test_what_follows_the_pixels_stays(name: str) -> None:
    """Private elements and signatures may stand there."""
    ds = pydicom.dcmread(Path(pydicom.data.__file__).parent / "test_files" / name)
    ds.private_block(0xE029, "AFTER THE PIXELS", create=True).add_new(1, "LO", "kept")
    out = io.BytesIO()
    ds.save_as(out)
    pieces = rendering.made_whole(rendering.decompressed_pieces(item_of(out.getvalue())))
    stored = (retrieving.read_stretch(piece) for piece in pieces if isinstance(piece, retrieving.Stretch))
    octets = b"".join(piece for piece in pieces if isinstance(piece, bytes)) + b"".join(b"".join(one) for one in stored)
    given = pydicom.dcmread(io.BytesIO(octets))
    assert given.private_block(0xE029, "AFTER THE PIXELS")[1].value == "kept"
    assert given.keys() == ds.keys()


def test_a_long_instance_is_cut_when_its_transfer_is_withdrawn(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfers.retrieving.answers.RECHECK_BYTES", 1)
    item = item_of(factories.make_ct(pixels=bytes(4 * 512), NumberOfFrames=4))
    who = Principal(kind="key", ident="key:t")
    pictures = rendering.stream_pictures([item], Wishes(media_type="image/png"), who=who)
    assert isinstance(next(pictures), Picture)
    Transfer.objects.update(state="closed", reason="withdrawn", wrapped_key=None)
    with pytest.raises(errors.Gone):
        list(pictures)
