"""`make bench`: our product and Orthanc in one run, in turns, as ratios.

On a busy machine absolute figures move by half and ratios of one run do not; so the servers take turns at every
case, and who goes first alternates from round to round. `--rounds`, `--small` for a look at whether it runs,
`--only WORD` for cases whose name holds the word, `--json FILE`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import cases, data, reading, servers, table
from tests.benchmarks.cases import Figures
from tests.benchmarks.data import StudySet
from tests.benchmarks.servers import Server
from tests.benchmarks.table import Results


@dataclass(frozen=True, slots=True)
class Sets:
    """What is sent: about as much as in a department, or next to nothing."""

    ct: StudySet
    mr: StudySet
    large: StudySet
    times: int  # how often the CT study goes into the one large body
    seconds: float  # how long everything goes on at once


Case = Callable[[Server], Figures]
# Its yardstick is no server.
BESIDE_A_LOOP = "CT frames as JPEG, beside pydicom and Pillow in a loop"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="tiny studies: shows that it runs, measures nothing")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--studies", type=int, default=0, help="search among so many studies as well")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    results = table.empty()
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as name:
        folder = Path(name)
        with servers.orthanc(folder) as rival, servers.waystation(folder) as ours:
            contestants = [server for server in (rival, ours) if server]
            run(contestants, results, sets(small=options.small), rounds=options.rounds, only=options.only)
            if options.studies:
                search(contestants, results, options.studies)
    sys.stdout.write(table.markdown(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return 0


def sets(*, small: bool) -> Sets:
    if small:
        return Sets(data.ct_study(3), data.mr_study(4), data.multi_frame(4), times=2, seconds=0.5)
    return Sets(data.ct_study(), data.mr_study(), data.multi_frame(), times=8, seconds=10)


def run(contestants: Sequence[Server], results: Results, sent: Sets, *, rounds: int, only: str = "") -> None:
    """Every case, every round; what is read has been stored before, and is the same for all rounds.

    What a process does only once after its start is not measured: each server is warmed up over many connections.
    """
    for server in contestants:
        cases.push_and_settle(server, sent.ct.fresh(), connections=8, batch=10)
    pushing = {name: case for name, case in pushes(sent).items() if only in name}
    for number in range(rounds):
        _take_turns(contestants, results, pushing, number=number)
    stored = {server.name: (_stored(server, sent.ct), _stored(server, sent.large)) for server in contestants}
    for server in contestants:
        cases.pull_study(server, stored[server.name][0], connections=8)
    chosen = {name: case for name, case in pulls(stored, sent).items() if only in name}
    for number in range(rounds):
        _take_turns(contestants, results, chosen, number=number)
        if BESIDE_A_LOOP in chosen:
            table.note(results, BESIDE_A_LOOP, "pydicom and Pillow", reading.rendered_in_a_loop(sent.ct))


def search(contestants: Sequence[Server], results: Results, count: int) -> None:
    """Searches among many studies, each server filled by itself first."""
    filled = {server.name: reading.fill(server, count) for server in contestants}
    for server in contestants:
        for kind, figures in reading.searches(server, filled[server.name]).items():
            table.note(results, f"search of {count} studies: {kind}", server.name, figures)


def pushes(sent: Sets) -> dict[str, Case]:
    def push(study: StudySet, connections: int, batch: int) -> Case:
        return lambda server: cases.push_and_settle(server, study.fresh(), connections=connections, batch=batch)

    return {
        "push CT, 1 connection, batches of 50": push(sent.ct, 1, 50),
        "push CT, 1 connection, single": push(sent.ct, 1, 1),
        "push CT, 4 connections, single": push(sent.ct, 4, 1),
        "push MR, 4 connections, batches of 50": push(sent.mr, 4, 50),
        "push 2 GB in one chunked body": lambda server: cases.push_stream(server, sent.ct, times=sent.times),
        "push one 420 MB instance": push(sent.large, 1, 1),
    }


def pulls(stored: dict[str, tuple[StudySet, StudySet]], sent: Sets) -> dict[str, Case]:
    """By server a study of many instances, and one of a single large one; `sent` is pushed beside the reading."""
    return {
        "pull CT study": lambda server: cases.pull_study(server, stored[server.name][0]),
        "pull CT study, 4 connections": lambda server: cases.pull_study(server, stored[server.name][0], connections=4),
        "pull single CT instances": lambda server: cases.pull_instances(server, stored[server.name][0]),
        "metadata of the CT study": lambda server: cases.metadata(server, stored[server.name][0]),
        "ZIP of the CT study": lambda server: cases.archive(server, stored[server.name][0]),
        "pull one 420 MB instance": lambda server: cases.pull_study(server, stored[server.name][1]),
        "its last frame": lambda server: cases.pull_frame(server, stored[server.name][1]),
        "single CT frames": lambda server: reading.frames(server, stored[server.name][0]),
        "CT frames as JPEG": lambda server: reading.rendered(server, stored[server.name][0]),
        BESIDE_A_LOOP: lambda server: (
            reading.rendered(server, stored[server.name][0]) if server.name == "Waystation" else {}
        ),
        "everything at once": lambda server: reading.mixed(
            server, sent.ct, stored[server.name][0], seconds=sent.seconds
        ),
    }


def _take_turns(contestants: Sequence[Server], results: Results, chosen: dict[str, Case], *, number: int) -> None:
    order = contestants if number % 2 == 0 else contestants[::-1]
    for name, case in chosen.items():
        for server in order:
            table.note(results, name, server.name, case(server))


def _stored(server: Server, study: StudySet) -> StudySet:
    fresh = study.fresh()
    cases.push_and_settle(server, fresh, connections=1, batch=50)
    return fresh


if __name__ == "__main__":
    sys.exit(main())
