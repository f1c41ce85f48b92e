"""Peer by set: how many files passed, and why the others did not."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers.corpus import Original


@dataclass
class Table:
    """Filled by the tests, printed at the end of the session."""

    passed: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    reasons: Counter[str] = field(default_factory=Counter)

    def record(self, peer: str, original: Original, *, why: str = "") -> None:
        """Count a file; `why` says what was wrong with it."""
        if why:
            self.failed[peer, original.set_name].append(f"{original.path.name}: {why}")
        else:
            self.passed[peer, original.set_name] += 1

    def failures(self, peer: str) -> list[str]:
        return [one for (name, _), several in self.failed.items() if name == peer for one in several]

    def lines(self) -> list[str]:
        peers = list(dict.fromkeys(peer for peer, _ in [*self.passed, *self.failed]))
        sets = sorted({name for _, name in [*self.passed, *self.failed]})
        rows = ["| peer | " + " | ".join([*sets, "all"]) + " |", "|---" * (len(sets) + 2) + "|"]
        for peer in peers:
            cells = [self._cell(peer, [name]) for name in sets]
            rows.append("| " + " | ".join([peer, *cells, self._cell(peer, sets)]) + " |")
        rows += ["", *(f"{count} files: {reason}" for reason, count in self.reasons.most_common()), ""]
        return rows + [f"{peer}: {one}" for peer in peers for one in self.failures(peer)]

    def write(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["passed/failed files, peer by set", "", *self.lines()]) + "\n")

    def _cell(self, peer: str, sets: list[str]) -> str:
        passed = sum(self.passed[peer, name] for name in sets)
        failed = sum(len(self.failed.get((peer, name), [])) for name in sets)
        return f"{passed}/{failed}" if passed or failed else ""
