"""`manage.py demo`: the way of a study from one hospital to another, shown step by step on the running exchange.

It is a stranger to the exchange: everything goes over HTTP with plain urllib and the keys that `seed_demo` issues.
Only to prove that something is gone it also looks at the storage and into the records that stay. `manage.py up
--then demo` runs it as soon as all is ready; a step that fails says so, and the exit code is 1.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError

from exchange import demonstration
from exchange.demonstration import FIRST_STUDY, SECOND_STUDY, Failed, Hospital, Study, wait_for
from exchange.management.commands import seed_demo
from exchange.management.commands.seed_demo import Seed
from transfers.models import Destruction, Pack, Tombstone

AS_STORED: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
# A machine that needed long for the first study gets more time for the short-lived one.
SHORTEST_LIFE, LIFE_PER_WAIT = 6.0, 3.0

Tell = Callable[[str], None]


class Command(BaseCommand):
    help = "Send a real study, fetch it, let another lapse; needs a running exchange (manage.py up --then demo)."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        self._began = monotonic()
        self._waited = 0.0
        try:
            with self._step("Three hospitals get people and keys, and agree to exchange studies") as tell:
                seed = seed_demo.seed()
                tell(", ".join(site.name for site in seed_demo.SITES))
            self._send_and_fetch(seed)
            self._let_lapse(seed)
        except Failed as failure:
            self._say(f"FAILED: {failure}")
            self._say(f"The logs are in {settings.DATA_DIR / 'log'}.")
            sys.exit(1)
        self._take_leave(seed)

    def _send_and_fetch(self, seed: Seed) -> None:
        """A study on its way: pushed, validated, announced, pulled twice, and seen to be pulled."""
        sender, reader = _sender(seed), _reader(seed)
        study = demonstration.load_study(FIRST_STUDY)
        self._clear(sender, study)
        with self._step(f"St Elsewhere sends a CT study of {_amount(study)} to General Hospital (STOW-RS)") as tell:
            transfer_id = _push(sender, "/dicomweb/to/general-hospital/studies", study)
            tell(f"all {len(study.files)} stored, sealed and acknowledged; this is transfer {transfer_id}")
        with self._step("St Elsewhere says that this is all; every image is read again and validated") as tell:
            begun = monotonic()
            sender.post(f"/api/transfers/{transfer_id}/finalise/")
            transfer = _wait_available(sender, transfer_id)
            self._waited = monotonic() - begun
            tell(f"{transfer['reference']} is available until {transfer['available_until'][:16]} UTC")
        with self._step("General Hospital's desk gets a notice by mail, with nothing of the patient in it") as tell:
            tell(_wait_notice(sender, transfer_id, transfer["reference"]))
        with self._step("General Hospital searches (QIDO-RS) and pulls the study (WADO-RS)") as tell:
            tell(_pull(reader, study))
        with self._step("General Hospital downloads the same study as a ZIP") as tell:
            tell(_download(reader, transfer_id, study))
        with self._step("General Hospital confirms receipt, and St Elsewhere sees it") as tell:
            reader.post(f"/api/transfers/{transfer_id}/acknowledge/")
            (delivery,) = sender.get(f"/api/transfers/{transfer_id}/").json["deliveries"]
            _hold(delivery["pulled"]["pulled"] == len(study.files), "St Elsewhere does not see that all was pulled")
            tell(f"{delivery['pulled']['sentence']}; receipt is {delivery['progress']}")

    def _clear(self, sender: Hospital, study: Study) -> None:
        """Take back what an earlier demo sent: the same bytes to the same recipient would make nothing new."""
        earlier = [
            transfer["id"]
            for transfer in sender.get("/api/transfers/?direction=sent&state=available").json["results"]
            if study.study_instance_uid in _studies(sender, transfer["id"])
        ]
        if earlier:
            with self._step("An earlier demo's transfer is still here; St Elsewhere withdraws it") as tell:
                for transfer_id in earlier:
                    sender.post(f"/api/transfers/{transfer_id}/withdraw/")
                tell("destroyed at once")

    def _let_lapse(self, seed: Seed) -> None:
        """A transfer for a few seconds: it closes by the clock, then its key, rows and objects are destroyed."""
        sender, reader = _sender(seed), _reader(seed)
        study = demonstration.load_study(SECOND_STUDY)
        life = max(SHORTEST_LIFE, LIFE_PER_WAIT * self._waited)
        with self._step(f"St Elsewhere sends {_amount(study)} that may be fetched for {life:.0f} seconds only") as tell:
            transfer_id = _create_short(sender, life)
            _push(sender, f"/dicomweb/transfers/{transfer_id}/studies", study)
            sender.post(f"/api/transfers/{transfer_id}/send/")
            reference = _wait_available(sender, transfer_id)["reference"]
            path = f"/dicomweb/transfers/{transfer_id}/studies/{study.study_instance_uid}"
            _compare(reader.get(path, accept=AS_STORED), study)
            names = list(Pack.objects.filter(transfer_id=transfer_id).values_list("name", flat=True))
            tell(f"{reference} was available and pulled; {_count(len(names), 'object')} in the storage")
        with self._step("Its time passes") as tell:
            wait_for(f"The end of {reference}", _answers_gone(reader, path), seconds=life + 30)
            tell("General Hospital is answered 410 Gone")
        with self._step("It is purged") as tell:
            wait_for(f"The purge of {reference}", _is_destroyed(UUID(transfer_id)))
            tell(_remains(UUID(transfer_id), names))
            reader.get(f"/api/transfers/{transfer_id}/download/?format=zip", expect=410)

    def _take_leave(self, seed: Seed) -> None:
        self._say("Every step held. Who may sign in:")
        for user in seed.users:
            if user.organization in ("st-elsewhere", "general-hospital", None):
                place = "/admin/" if user.organization is None else "/"
                self.stdout.write(f"    {user.email:40} {user.password}   {seed.base_url}{place}")
        self.stdout.flush()

    @contextmanager
    def _step(self, sentence: str) -> Iterator[Tell]:
        """Announce a step; what it told is printed with the time it took once it has held."""
        begun = monotonic()
        told: list[str] = []
        self._say(sentence)
        try:
            yield told.append
        except (DatabaseError, LookupError, ValueError, TypeError) as error:
            raise Failed(f"an answer was not what it should be ({type(error).__name__}: {error}).") from error
        self.stdout.write(f"           {'; '.join(told)} ({monotonic() - begun:.2f} s)")
        self.stdout.flush()

    def _say(self, sentence: str) -> None:
        self.stdout.write(f"[{monotonic() - self._began:6.2f} s] {sentence}")
        self.stdout.flush()


def _sender(seed: Seed) -> Hospital:
    return Hospital("St Elsewhere", seed.base_url, seed.organizations["st-elsewhere"].store_key)


def _reader(seed: Seed) -> Hospital:
    return Hospital("General Hospital", seed.base_url, seed.organizations["general-hospital"].read_key)


def _studies(sender: Hospital, transfer_id: str) -> list[str]:
    return [study["study_instance_uid"] for study in sender.get(f"/api/transfers/{transfer_id}/").json["studies"]]


def _push(sender: Hospital, path: str, study: Study) -> str:
    """Push, compare what was acknowledged, and return the transfer that Location names."""
    response = sender.push(path, study)
    stored = response.json.get("00081199", {}).get("Value", [])
    _hold(len(stored) == len(study.files), f"{len(stored)} of {len(study.files)} images were stored")
    return response.headers["Location"].partition("/dicomweb/transfers/")[2].partition("/")[0]


def _create_short(sender: Hospital, life: float) -> str:
    until = (datetime.now(UTC) + timedelta(seconds=life)).isoformat()
    values = {"recipients": ["general-hospital"], "purpose": "second opinion", "until": until, "grace_days": 0}
    return str(sender.post("/api/transfers/", values, expect=201).json["id"])


def _wait_available(sender: Hospital, transfer_id: str) -> dict[str, Any]:  # Any: JSON
    def answers() -> Iterator[dict[str, Any] | None]:  # Any: JSON
        while True:
            transfer = sender.get(f"/api/transfers/{transfer_id}/").json
            if transfer["state"] in ("held", "rejected", "closed"):
                raise Failed(f"the transfer is {transfer['state']} {transfer['reason']} instead of available.")
            yield transfer if transfer["state"] == "available" else None

    found: dict[str, Any] = wait_for("Validation", answers())  # Any: JSON
    return found


def _wait_notice(sender: Hospital, transfer_id: str, reference: str) -> str:
    def notices() -> Iterator[bool]:
        while True:
            (delivery,) = sender.get(f"/api/transfers/{transfer_id}/").json["deliveries"]
            yield delivery["notice"] == "sent"

    wait_for("The notice", notices())
    if not settings.EMAIL_FILE_PATH:
        return "sent"
    mail = demonstration.find_mail(reference)
    if mail is None:
        raise Failed(f"no mail in {settings.EMAIL_FILE_PATH} names {reference}.")
    return f"to {mail['To']}: {mail['Subject']}"


def _pull(reader: Hospital, study: Study) -> str:
    uid = study.study_instance_uid
    found = reader.get(f"/dicomweb/studies?StudyInstanceUID={uid}", accept="application/dicom+json").json
    _hold(len(found) == 1, f"the search found {len(found)} studies instead of one")
    _compare(reader.get(f"/dicomweb/studies/{uid}", accept=AS_STORED), study)
    return f"{len(study.files)} images, byte for byte what was sent (SHA-256 of each compared)"


def _compare(response: demonstration.Response, study: Study) -> None:
    received = sorted(demonstration.digest(part) for part in demonstration.parts_of(response))
    _hold(received == study.digests, "what was pulled differs from what was sent")


def _download(reader: Hospital, transfer_id: str, study: Study) -> str:
    response = reader.get(f"/api/transfers/{transfer_id}/download/?format=zip")
    _hold(int(response.headers["Content-Length"]) == len(response.body), "the ZIP is shorter than it said")
    received = {demonstration.digest(file) for file in demonstration.files_of(response.body)}
    _hold(received >= set(study.digests), "the files in the ZIP differ from those that were sent")
    return f"{len(response.body):,} bytes, as its Content-Length said; every file in it compared"


def _answers_gone(reader: Hospital, path: str) -> Iterator[bool]:
    while True:
        try:
            reader.get(path, expect=410)
        except Failed:
            yield False
        else:
            yield True


def _is_destroyed(transfer_id: UUID) -> Iterator[bool]:
    while True:
        yield Destruction.objects.filter(transfer_id=transfer_id, objects_deleted_at__isnull=False).exists()


def _remains(transfer_id: UUID, names: list[str]) -> str:
    """What is left of a purged transfer: a tombstone and a destruction record, and no object."""
    left = demonstration.stored_objects(names)
    _hold(not left and not Pack.objects.filter(name__in=names).exists(), "an object is still in the storage")
    tombstone = Tombstone.objects.get(transfer_id=transfer_id)
    record = Destruction.objects.get(transfer_id=transfer_id)
    return (
        f"key removed {record.wrap_removed_at:%H:%M:%S} UTC, objects deleted {record.objects_deleted_at:%H:%M:%S} UTC;"
        f" what stays is a tombstone: {tombstone.reference}, {_count(tombstone.instance_count, 'image')},"
        f" {tombstone.reason}"
    )


def _hold(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise Failed(f"{otherwise}.")


def _amount(study: Study) -> str:
    return f"{_count(len(study.files), 'image')} ({study.size:,} bytes)"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
