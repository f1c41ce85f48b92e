"""The benchmark runs; what it measures depends on the machine and is not asserted."""

import io
import os
from pathlib import Path

import pydicom
import pytest

from tests.benchmarks import data, measures, run, servers, table
from tests.benchmarks.data import StudySet


@pytest.fixture(scope="module")
def study() -> StudySet:
    return data.mr_study(3)


def test_fresh_uids_are_read_back(study: StudySet) -> None:
    fresh = study.fresh()
    for one in fresh.instances:
        ds = pydicom.dcmread(io.BytesIO(one.file))
        assert ds.StudyInstanceUID == fresh.study_instance_uid
        assert ds.SeriesInstanceUID == fresh.series_instance_uid
        assert ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID == one.sop_instance_uid


def test_bodies_hold_every_instance_once(study: StudySet) -> None:
    bodies = list(data.bodies(study, 2))
    assert [body.count(b"--bench\r\n") for body in bodies] == [2, 1]
    assert all(body.endswith(b"--bench--\r\n") for body in bodies)


def test_cpu_of_a_process_tree_is_counted() -> None:
    with measures.measured(os.getpid()) as result:
        sum(number * number for number in range(3_000_000))
    assert 0 < result.cpu <= result.wall * 3


def test_the_table_puts_the_ratio_first() -> None:
    results = {
        "a": {"MB/s": {"Orthanc": [100.0], "Waystation": [300.0]}, "p50 ms": {"Orthanc": [9.0], "Waystation": [3.0]}}
    }
    assert "| a | MB/s | 3.00 | 100 | 300 |" in table.markdown(results)
    assert "| a | p50 ms | 3.00 | 9.00 | 3.00 |" in table.markdown(results)


def test_the_table_goes_without_a_rival() -> None:
    assert "| a | MB/s | - | - | 300 |" in table.markdown({"a": {"MB/s": {"Waystation": [300.0]}}})


def test_every_case_runs_on_our_own_tree(tmp_path: Path) -> None:
    results, small = table.empty(), run.sets(small=True)
    with servers.waystation(tmp_path) as ours:
        run.run([ours], results, small, rounds=1)
        run.search([ours], results, 2)
    assert len(results) == len(run.pushes(small)) + len(run.pulls({}, small)) + 5
    figures = [values["Waystation"] for case in results.values() for values in case.values()]
    assert figures
    assert all(len(values) == 1 for values in figures)
