"""`make nightly`: thousands of generated requests to a running exchange, none of which may fail it or hang.

Three parts in five by a generator of our own to the DICOMweb doors, the rest by schemathesis to whatever
`/api/schema/` describes. The seed is printed first and gives the same requests again: `--seed N`, and `--only M` for
the one with that number. `--requests N`; `--data FOLDER` keeps the exchange's folder, its logs above all.
"""

import argparse
import contextlib
import os
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import django

# What the tree of processes is made of are Django's models: the settings come before them.
# ruff: noqa: E402
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange.settings")
django.setup()

from tests.faults import tree as trees
from tests.faults.tree import Tree
from tests.fuzz import asking, grammar, openapi, place
from tests.fuzz.place import Target

_DEAD = "SELECT event, count(*) FROM transfers_job WHERE state = 'dead' GROUP BY event"
SETTINGS = {"EXCHANGE_API_RATE": "1000000/min", "EXCHANGE_LINK_RATE": "1000000"}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31))
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--only", type=int, help="one request to the DICOMweb doors, by its number")
    parser.add_argument("--data", type=Path, help="where the exchange keeps its data; thrown away otherwise")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}, {options.requests} requests", flush=True)
    with running(options.data) as tree:
        target = place.prepare(tree, options.seed)
        print(f"{len(target.place.instances)} instances are there", flush=True)
        if options.only is not None:
            return report(dicomweb(target, options.seed, [options.only], verbose=True))
        ours = options.requests * 3 // 5
        found = dicomweb(target, options.seed, range(ours))
        found += openapi.run(tree, target, seed=options.seed, requests=options.requests - ours)
        found += aftermath(tree)
    return report(found)


@contextlib.contextmanager
def running(data: Path | None) -> Iterator[Tree]:
    with tempfile.TemporaryDirectory(prefix="waystation-nightly-") as name:
        tree = trees.start(data or Path(name) / "data", settings=SETTINGS)
        try:
            # Nothing that is pushed is to become a transfer of its own while requests still speak of it.
            trees.seed(tree, quiet_seconds=3600)
            yield tree
        finally:
            tree.stop()


def dicomweb(target: Target, seed: int, numbers: Sequence[int], *, verbose: bool = False) -> list[str]:
    """Ask, and say what was wrong with which answer."""
    found, statuses, slowest = [], Counter[int](), (0.0, -1)
    for number in numbers:
        request = grammar.request(seed, number, target.place)
        answer = asking.ask(target.port, request, key=target.key_for(request, number))
        statuses[answer.status] += 1
        slowest = max(slowest, (answer.seconds, number))
        flaws = [answer.flaw] if answer.flaw else asking.complaints(request, answer)
        found += [f"--only {number}: {request.method} {request.target[:200]} {request.headers}: {f}" for f in flaws]
        if verbose:
            print(request, answer, sep="\n")
    told = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    print(f"DICOMweb: {len(numbers)} requests; {told}; slowest {slowest[0]:.1f} s (number {slowest[1]})", flush=True)
    return found


def aftermath(tree: Tree) -> list[str]:
    """Whether the exchange is what it was: ready, no program of it restarted, nothing unforeseen in its logs."""
    found = [] if tree.is_ready() else ["the exchange is no longer ready"]
    found += [line for line in tree.log.splitlines() if " ended with code " in line]
    found += [f"a job was given up: {kind} {count} times" for kind, count in tree.rows(_DEAD)]
    for log in sorted((tree.data / "log").glob("*")):
        lines = [line for line in log.read_text(errors="replace").splitlines() if '"unexpected ' in line]
        found += [f"{log.name}: {line[:400]}" for line in lines[:20]]
    return found


def report(found: Sequence[str]) -> int:
    for line in found:
        print(f"WRONG {line}")
    print(f"make nightly {'failed' if found else 'passed'}: {len(found)} wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
