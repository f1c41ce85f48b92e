"""Small requests, alone, in a crowd and over many studies: what a viewer and a script wait for."""

import io
import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlencode

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels.processing import apply_modality_lut, apply_windowing

from tests.benchmarks import cases, data
from tests.benchmarks.cases import MB, Figures
from tests.benchmarks.data import Instance, StudySet
from tests.benchmarks.servers import Server

_OCTETS = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
_JSON = "application/dicom+json"
_PUSHERS, _PULLERS = 2, 2


def frames(server: Server, study: StudySet, *, count: int = 200) -> Figures:
    """Single frames of single-frame instances, one after the other."""
    paths = (f"{path}/frames/1" for path in itertools.islice(_paths(server, study), count))
    return percentiles(_timed(server, paths, _OCTETS))


def rendered(server: Server, study: StudySet, *, count: int = 60) -> Figures:
    """One frame as JPEG, one after the other."""
    paths = (f"{path}/rendered" for path in itertools.islice(_paths(server, study), count))
    return percentiles(_timed(server, paths, "image/jpeg"))


def rendered_in_a_loop(study: StudySet, *, count: int = 60) -> Figures:
    """The same by pydicom and Pillow, without a server, a database or a key."""
    return percentiles(_clock(partial(_picture, one.file)) for one in study.instances[:count])


def mixed(server: Server, sent: StudySet, stored: StudySet, *, seconds: float) -> Figures:
    """Everything at once: pushes in batches, pulls of a study, and between them single instances and searches."""
    done, moved = threading.Event(), {"up": 0, "down": 0}
    waits: dict[str, list[float]] = {"instance": [], "search": []}
    paths = itertools.cycle(list(_paths(server, stored)))

    def push() -> None:
        while not done.is_set():
            cases.push(server, sent.fresh(), connections=1, batch=50)
            moved["up"] += sent.size

    def pull() -> None:
        while not done.is_set():
            cases.pull_study(server, stored)
            moved["down"] += stored.size

    def ask(kind: str, next_path: Callable[[], str], accept: str) -> Callable[[], None]:
        def asking() -> None:
            while not done.is_set():
                waits[kind] += _timed(server, [next_path()], accept)

        return asking

    search = f"{server.root}/studies?StudyInstanceUID={stored.study_instance_uid}"
    asking = [ask("instance", lambda: next(paths), cases.DICOM), ask("search", lambda: search, _JSON)]
    ends = threading.Timer(seconds, done.set)
    ends.start()
    started = time.perf_counter()
    cases.all_at_once([push] * _PUSHERS + [pull] * _PULLERS + asking)
    wall = time.perf_counter() - started
    times = {f"{kind} {name}": value for kind, found in waits.items() for name, value in percentiles(found).items()}
    return {"up MB/s": moved["up"] / MB / wall, "down MB/s": moved["down"] / MB / wall, **times}


def fill(server: Server, count: int) -> list[tuple[str, Instance]]:
    """So many studies of one small instance, each of a patient of its own: by Study Instance UID."""
    studies = [study.fresh() for study in data.small_studies(count)]
    for start in range(0, count, 50):
        some = studies[start : start + 50]
        together = StudySet("small", "", "", tuple(one.instances[0] for one in some))
        cases.push(server, together, connections=1, batch=50)
        cases.finalise(server)
    cases.await_count(server, count)
    return [(study.study_instance_uid, study.instances[0]) for study in studies]


def searches(server: Server, filled: list[tuple[str, Instance]], *, times: int = 20) -> dict[str, Figures]:
    """The median wait of each kind of search, every one of them for something else."""
    spread = [filled[len(filled) * number // times] for number in range(times)]
    patients = [str(pydicom.dcmread(io.BytesIO(one.file), specific_tags=["PatientID"]).PatientID) for _, one in spread]
    asked: dict[str, list[dict[str, str]]] = {
        "PatientID": [{"PatientID": patient} for patient in patients],
        "StudyInstanceUID": [{"StudyInstanceUID": uid} for uid, _ in spread],
        "a page": [{"limit": "50", "offset": str(number * len(filled) // (2 * times))} for number in range(times)],
        "PatientName, wildcard": [{"PatientName": f"*{patient[-4:]}*", "limit": "50"} for patient in patients],
        "StudyDate, range": [{"StudyDate": "20260101-20261231", "limit": "50"} for _ in range(times)],
    }
    found = {}
    for name, queries in asked.items():
        paths = [f"{server.root}/studies?{urlencode(query)}" for query in queries]
        found[name] = percentiles(_timed(server, paths, _JSON))
    return found


def percentiles(times: "list[float] | Iterator[float]") -> Figures:
    """Of milliseconds."""
    found = sorted(times)
    return {"p50 ms": statistics.median(found), "p99 ms": found[int(len(found) * 0.99)]}


def _paths(server: Server, study: StudySet) -> Iterator[str]:
    base = f"{server.root}/studies/{study.study_instance_uid}/series/{study.series_instance_uid}/instances"
    return (f"{base}/{one.sop_instance_uid}" for one in study.instances)


def _timed(server: Server, paths: "list[str] | Iterator[str]", accept: str) -> list[float]:
    connection = server.connect()
    return [_clock(partial(cases.read, connection, server, path, accept)) for path in paths]


def _clock(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1e3


def _picture(file: bytes) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(file))
    values = apply_windowing(apply_modality_lut(ds.pixel_array, ds), ds).astype(np.float32)
    low, high = values.min(), values.max()
    shades = ((values - low) * (255.0 / max(high - low, 1.0))).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(shades).save(out, "JPEG", quality=90)
    return out.getvalue()
