"""Studies as hospitals made them are never stopped: each study of a folder is one transfer.

The folder is STUDIES, else what pydicom ships.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pydicom.data
import pytest

from tests import factories
from transfers import errors, validating
from transfers.formats import part10
from transfers.models import Finding
from transfers.rules.lifecycle import State


def accepted() -> Iterator[tuple[str, str, bytes]]:
    """Study and SOP Instance UID of every file that a push would store."""
    for path in files():
        content = path.read_bytes()
        scanner = part10.Scanner(size=len(content))
        try:
            scanner.feed(content)
            header = scanner.finish()
        except errors.InstanceRefused:
            continue
        yield header.study_instance_uid, header.sop_instance_uid, content


def files() -> list[Path]:
    if "STUDIES" in os.environ:
        return sorted(path for path in Path(os.environ["STUDIES"]).rglob("*") if path.is_file())
    shipped = Path(pydicom.data.__file__).parent / "test_files"
    return sorted(path for path in shipped.rglob("*") if path.is_file())


@pytest.mark.django_db
def test_real_studies_are_never_stopped() -> None:
    studies: dict[str, dict[str, bytes]] = defaultdict(dict)
    for study, uid, content in accepted():
        studies[study][uid] = content
    sender = factories.make_organization()
    for instances in studies.values():
        transfer = factories.make_transfer(sender)
        factories.store_instances(transfer, instances.values())
        validating.validate(transfer.pk)
        transfer.refresh_from_db()
        stops = list(Finding.objects.filter(transfer=transfer, grade="stop").values_list("code", flat=True))
        assert (transfer.state, stops) == (State.AVAILABLE, [])
    assert studies
