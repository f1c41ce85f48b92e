"""The whole exchange with its packs in an S3 server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import s3_server
from tests.faults import tree
from tests.peers import corpus, exchanging
from tests.peers.corpus import Original
from tests.peers.exchanging import Push, Shipment
from tests.s3_server import S3Server

pytestmark = [pytest.mark.peers, pytest.mark.needs("curl")]


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Server]:
    with s3_server.running() as server:
        (server.folder / "packs").mkdir()
        yield server


@pytest.fixture(scope="module")
def afar(bucket: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tree.Tree]:
    """An exchange that keeps nothing of a push on its own disk."""
    settings = {
        "STORAGE_URL": bucket.url("packs"),
        "AWS_ACCESS_KEY_ID": bucket.access_key,
        "AWS_SECRET_ACCESS_KEY": bucket.secret_key,
    }
    started = tree.start(tmp_path_factory.mktemp("afar") / "data", settings=settings)
    try:
        tree.seed(started)
        yield started
    finally:
        started.stop()


def test_pushed_validated_and_pulled_from_the_bucket(
    afar: tree.Tree, bucket: S3Server, originals: list[Original], tmp_path: Path
) -> None:
    group = max(corpus.group(original for original in originals if not original.flaw), key=len)
    push = Push(
        exchanging.draft(afar, "general-hospital"),
        exchanging.multipart([original.path for original in group], tmp_path / "body"),
        exchanging.MULTIPART,
        is_chunked=True,
    )
    (answer,) = exchanging.curl(afar, [push], tmp_path)
    shipment = Shipment(push.transfer_id, "general-hospital", exchanging.verdicts(group, answer))
    exchanging.send(afar, [push.transfer_id])
    digests = {exchanging.digest(file) for file in exchanging.parts(exchanging.pull(afar, shipment))}
    assert digests == {original.sha256 for original in shipment.stored}
    held = sum(file.stat().st_size for file in bucket.folder.rglob("*") if file.is_file())
    assert held > sum(original.path.stat().st_size for original in shipment.stored)
