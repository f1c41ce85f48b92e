"""The whole exchange, started once, with what is pushed into it; and what these tests need that PyPI does not have.

A test that needs a program marks it: `@pytest.mark.needs("curl")`. Where the program is missing the test is left
out and named at the end, so that nobody takes its silence for success.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import tree
from tests.peers import corpus, exchanging
from tests.peers.corpus import Original
from tests.peers.exchanging import Push, Shipment
from tests.peers.table import Table

REPORT = Path(__file__).resolve().parents[2] / "reports" / "peers.md"
LEFT_OUT = pytest.StashKey[list[str]]()
TABLE = pytest.StashKey[Table]()
# What does not lie on the PATH of everybody.
PLACES = ("/usr/sbin", "/sbin", "/usr/lib/rabbitmq/bin")


def program(name: str) -> str:
    return shutil.which(name) or next((found for place in PLACES if (found := shutil.which(name, path=place))), "")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(program, ...): programs that must be there")
    config.stash[LEFT_OUT] = []
    config.stash[TABLE] = Table()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot run, after `-m` has chosen; pydicom's remarks on real files are no news here."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore::UserWarning"))
    wanted = {item: [name for mark in item.iter_markers("needs") for name in mark.args] for item in items}
    missing = {item: [name for name in names if not program(name)] for item, names in wanted.items()}
    out = [item for item in items if missing[item]]
    config.stash[LEFT_OUT] += [f"{item.nodeid}: no {', '.join(missing[item])}" for item in out]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if not missing[item]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[TABLE].passed:
        config.stash[TABLE].write(REPORT)
        terminalreporter.section("passed/failed files, peer by set")
        for line in config.stash[TABLE].lines():
            terminalreporter.write_line(line)
    for line in config.stash[LEFT_OUT]:
        terminalreporter.write_line(f"NOT RUN {line}")


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Table:
    return request.config.stash[TABLE]


@pytest.fixture(scope="session")
def originals() -> list[Original]:
    return corpus.load()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tree.Tree]:
    started = tree.start(tmp_path_factory.mktemp("peers") / "data", settings={"EXCHANGE_API_RATE": "1000000/min"})
    try:
        tree.seed(started)
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def shipments(
    running: tree.Tree, originals: list[Original], tmp_path_factory: pytest.TempPathFactory
) -> list[Shipment]:
    """Every file, pushed by curl to General Hospital as a body of its own; whatever is left to be pulled."""
    groups = corpus.group(originals)
    transfer_ids = [exchanging.draft(running, "general-hospital") for _ in groups]
    pushes = [
        Push(transfer_id, original.path, "application/dicom")
        for transfer_id, group in zip(transfer_ids, groups, strict=True)
        for original in group
    ]
    answers = iter(exchanging.curl(running, pushes, tmp_path_factory.mktemp("bare")))
    shipments = [
        Shipment(transfer_id, "general-hospital", [exchanging.verdicts([one], next(answers))[0] for one in group])
        for transfer_id, group in zip(transfer_ids, groups, strict=True)
    ]
    exchanging.send(running, [shipment.transfer_id for shipment in shipments if shipment.stored])
    return shipments


@pytest.fixture(scope="session")
def available(running: tree.Tree, shipments: list[Shipment]) -> list[Shipment]:
    """What General Hospital may pull."""
    return [
        shipment
        for shipment in shipments
        if shipment.stored and exchanging.state(running, shipment.transfer_id) == "available"
    ]


@pytest.fixture(scope="session")
def pulled(
    running: tree.Tree, shipments: list[Shipment], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Path]]:
    """What came back of each transfer, asked for as stored: a file by its SHA-256."""
    folder = tmp_path_factory.mktemp("pulled")
    return {
        shipment.transfer_id: exchanging.keep(exchanging.pull(running, shipment), folder / shipment.transfer_id)
        for shipment in shipments
        if shipment.stored
    }
