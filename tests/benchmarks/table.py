"""What came out, as Markdown with the ratio first: on a busy machine it is what can be trusted."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

# case → figure → server → one value a round
Results = dict[str, dict[str, dict[str, list[float]]]]

# Figures that are better the larger they are; of the others the ratio is turned round, so that above 1 is better.
_LARGER: Final = frozenset({"MB/s", "instances/s", "up MB/s", "down MB/s"})
# Growth below this is noise of the allocator: a ratio of it would say nothing.
_LEAST: Final = {"memory MiB": 16.0}


def empty() -> Results:
    return defaultdict(lambda: defaultdict(lambda: defaultdict(list)))


def note(results: Results, case: str, server: str, figures: Mapping[str, float]) -> None:
    """Add one round's figures of one server."""
    for figure, value in figures.items():
        results[case][figure][server].append(value)


def markdown(results: Results) -> str:
    """A line a figure: how many times better ours is, then the medians of both; what is no server says what it is."""
    lines = ["| case | figure | ratio | Orthanc | Waystation |", "|---|---|---|---|---|"]
    for case, figures in results.items():
        for figure, by_server in figures.items():
            medians = {name: statistics.median(values) for name, values in by_server.items()}
            ours = medians.pop("Waystation")
            rival = next(iter(medians.values()), None)
            lines.append(f"| {case} | {figure} | {_ratio(figure, rival, ours)} | {_number(rival)} | {_number(ours)} |")
    return "\n".join(lines) + "\n"


def _ratio(figure: str, rival: float | None, ours: float) -> str:
    if rival is None or min(rival, ours) <= _LEAST.get(figure, 0.0):
        return "-"
    return f"{ours / rival if figure in _LARGER else rival / ours:.2f}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{max(value, 0.0):.2f}"
