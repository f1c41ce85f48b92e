"""`make bench`: our product and Orthanc in one run, in turns, as ratios.

On a busy machine absolute figures move by half and ratios of one run do not; a run therefore alternates who goes
first, and the table shows the ratio of the medians. `--rounds`, `--small` for a quick look, `--json FILE`.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import cases, data, servers
from tests.benchmarks.cases import Figures
from tests.benchmarks.data import StudySet
from tests.benchmarks.servers import Server

# case → figure → server → one value a round
Results = dict[str, dict[str, dict[str, list[float]]]]
# Figures that are better the larger they are; of the others the ratio is turned round.
_LARGER = {"MB/s", "instances/s"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="tiny studies: shows that it runs, measures nothing")
    parser.add_argument("--push-only", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: Results = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as name:
        folder = Path(name)
        with servers.orthanc(folder) as rival, servers.waystation(folder) as ours:
            run(
                [server for server in (rival, ours) if server],
                results,
                rounds=options.rounds,
                small=options.small,
                pulls=not options.push_only,
            )
    sys.stdout.write(table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return 0


def run(contestants: list[Server], results: Results, *, rounds: int, small: bool, pulls: bool = True) -> None:
    """Every case, every round, the contestants in alternating order."""
    ct = data.ct_study(6 if small else 500)
    mr = data.mr_study(6 if small else 2000)
    big = data.multi_frame(8 if small else 200)
    for number in range(rounds):
        order = contestants if number % 2 == 0 else contestants[::-1]
        for name, study, connections, batch in (
            ("push CT, 1 connection, batches of 50", ct, 1, 50),
            ("push CT, 1 connection, single", ct, 1, 1),
            ("push CT, 4 connections, single", ct, 4, 1),
            ("push MR, 4 connections, batches of 50", mr, 4, 50),
        ):
            for server in order:
                fresh = study.fresh()
                note(results, name, server, cases.push(server, fresh, connections=connections, batch=batch))
                cases.make_available(server, fresh)
    for server in contestants if pulls else ():
        note(results, "push 2 GB in one chunked body", server, cases.push_stream(server, ct, times=1 if small else 8))
        stored = ct.fresh()
        cases.push(server, stored, connections=1, batch=50)
        cases.make_available(server, stored)
        large = big.fresh()
        note(results, "push one 420 MB instance", server, cases.push(server, large, connections=1, batch=1))
        cases.make_available(server, large)
        pull(server, stored, large, results, rounds=rounds, small=small)


def pull(server: Server, study: StudySet, large: StudySet, results: Results, *, rounds: int, small: bool) -> None:
    """The reading cases, once both can be read."""
    readings: dict[str, Callable[[], Figures]] = {
        "pull CT study": lambda: cases.pull_study(server, study),
        "pull CT study, 4 connections": lambda: cases.pull_study(server, study, connections=4),
        "pull single CT instances": lambda: cases.pull_instances(server, study),
        "metadata of the CT study": lambda: cases.metadata(server, study),
        "ZIP of the CT study": lambda: cases.archive(server, study),
        "pull one 420 MB instance": lambda: cases.pull_study(server, large),
    }
    if not small:
        readings["one frame of it"] = lambda: cases.pull_frame(server, large)
    for _ in range(rounds):
        for name, case in readings.items():
            note(results, name, server, case())


def note(results: Results, case: str, server: Server, figures: Figures) -> None:
    for figure, value in figures.items():
        results[case][figure][server.name].append(value)


def table(results: Results) -> str:
    """Markdown, the ratio first: how many times better ours is."""
    lines = ["| case | figure | ratio | Orthanc | Waystation |", "|---|---|---|---|---|"]
    for case, figures in results.items():
        for figure, by_server in figures.items():
            medians = {name: statistics.median(values) for name, values in by_server.items()}
            rival, ours = medians.get("Orthanc"), medians["Waystation"]
            lines.append(f"| {case} | {figure} | {_ratio(figure, rival, ours)} | {_number(rival)} | {_number(ours)} |")
    return "\n".join(lines) + "\n"


def _ratio(figure: str, rival: float | None, ours: float) -> str:
    if rival is None or min(rival, ours) <= 0:
        return "-"
    return f"{ours / rival if figure in _LARGER else rival / ours:.2f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"


if __name__ == "__main__":
    sys.exit(main())
