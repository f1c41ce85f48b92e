"""Key Object Selections as packing lists and rejections."""

from typing import Any

import pytest

from transfers.rules import keyobjects


def document(title: str, *uids: str) -> dict[str, Any]:  # Any: DICOM JSON
    sops = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids]
    series = {"00081199": {"vr": "SQ", "Value": sops}}
    study = {"0020000D": {"vr": "UI", "Value": ["1.2"]}, "00081115": {"vr": "SQ", "Value": [series]}}
    code = {"00080100": {"vr": "SH", "Value": [title]}}
    return {"0040A043": {"vr": "SQ", "Value": [code]}, "0040A375": {"vr": "SQ", "Value": [study]}}


def test_title_and_references_are_read() -> None:
    said = keyobjects.of_record(document("113030", "1.2.3", "1.2.4"))
    assert said.is_manifest and said.references == {("1.2", "1.2.3"), ("1.2", "1.2.4")}


@pytest.mark.parametrize("title", ["113001", "113037", "113038", "113039"])
def test_four_titles_reject(title: str) -> None:
    assert keyobjects.of_record(document(title, "1.2.3")).is_rejection


@pytest.mark.parametrize("title", ["113000", "113002", "", "11300"])
def test_other_titles_neither_list_nor_reject(title: str) -> None:
    said = keyobjects.of_record(document(title, "1.2.3"))
    assert not said.is_manifest and not said.is_rejection


@pytest.mark.parametrize(
    "record", [{}, {"0040A375": 1}, {"0040A375": {"vr": "SQ", "Value": [None, "x"]}}, {"0040A043": {"vr": "SQ"}}]
)
def test_what_is_not_as_it_should_be_is_not_there(record: dict[str, Any]) -> None:  # Any: not quite DICOM JSON
    assert keyobjects.of_record(record) == keyobjects.KeyObjects("", frozenset())
