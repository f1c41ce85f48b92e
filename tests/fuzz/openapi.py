"""schemathesis against what `/api/schema/` says of the JSON API: requests that keep to it and requests that do not."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.faults.tree import Tree
from tests.fuzz import asking, place
from tests.fuzz.place import Target

SCOPES: Final = ("store", "read", "manage")
MOST_LINES: Final = 60


def run(tree: Tree, target: Target, *, seed: int, requests: int) -> list[str]:
    """At least so many requests, in rounds of the sender and the recipient in turns, about a transfer of theirs.

    A round has a key of its own: what is generated may revoke it, and what follows in that round is then all 401.
    """
    made, found, statuses, rounds = 0, list[str](), Counter[int](), 0
    while made < requests:
        key = place.issue_key(tree, (place.SENDER, place.RECIPIENT)[rounds % 2], SCOPES)
        transfer = target.place.instances[-rounds % 2 - 1].transfer
        with tempfile.TemporaryDirectory(prefix="waystation-schemathesis-") as name:
            answered, failures = _round(tree, key=key, transfer=transfer, seed=seed + rounds, folder=Path(name))
        if 200 not in answered:
            return [*found, *failures, f"schemathesis got no answer worth having: {dict(answered)}"]
        statuses, made, found, rounds = statuses + answered, made + answered.total(), found + failures, rounds + 1
    told = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    print(f"schemathesis: {made} requests, {rounds} rounds from seed {seed} on; {told}", flush=True)
    return found


def _round(tree: Tree, *, key: str, transfer: str, seed: int, folder: Path) -> tuple[Counter[int], list[str]]:
    """How often it got which status, and what it says of what was wrong."""
    events = folder / "events.ndjson"
    (folder / "schemathesis.toml").write_text(f'[parameters]\n"path.transfer_id" = "{transfer}"\n')
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{tree.base_url}/api/schema/?format=json"]
    command += ["--header", f"Authorization: Bearer {key}", "--checks=not_a_server_error", f"--seed={seed}"]
    command += [f"--request-timeout={asking.DEADLINE:.0f}", "--max-examples=20", "--generation-database=none"]
    command += ["--continue-on-failure", "--suppress-health-check=all", "--warnings=off", "--no-color"]
    command += ["--report=ndjson", f"--report-ndjson-path={events}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=3600, check=False)
    answered = Counter(_statuses(events.read_text())) if events.exists() else Counter[int]()
    if not done.returncode:
        return answered, []
    said = "\n".join([*done.stdout.splitlines()[-MOST_LINES:], done.stderr[-2000:]])
    return answered, [f"schemathesis run --seed={seed} ended with {done.returncode}:\n{said}"]


def _statuses(events: str) -> Iterator[int]:
    """The status of each answer that the events tell of; 0 where there was none."""
    for line in events.splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for interaction in recorder.get("interactions", {}).values():
            yield (interaction.get("response") or {}).get("status_code", 0)
