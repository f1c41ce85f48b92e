"""The parts of one request, each scanned, hashed and sealed while it arrives."""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final
from uuid import UUID

from django.db import DatabaseError

from accounts.principals import Principal
from transfers import errors
from transfers.access import Destination
from transfers.formats import checksum, part10
from transfers.receiving import committing, finalising, intake, push, quota
from transfers.receiving.outcome import Failed, Outcome
from transfers.receiving.push import Push, Staged

Chunk = bytes | memoryview

# What may come before the Study Instance UID is known: a whole enhanced header does not fit, a hostile one must not.
MAX_UNROUTED: Final = 16 << 20
# Transfers open at once in one request; past that the oldest are committed while the rest goes on.
MAX_OPEN: Final = 32


def receive(
    who: Principal, destination: Destination, parts: Iterable[Iterable[Chunk]], *, study_instance_uid: str = ""
) -> Outcome:
    """Store every part that can be stored, and say what became of each.

    With `study_instance_uid` an instance of another study is refused (PS3.18 Section 10.5.1). A body that is cut
    off ends the push: whole instances before the cut are kept, and `Outcome.cut` says why it ended.
    """
    with Reception(who, destination, study_instance_uid=study_instance_uid) as reception:
        try:
            for chunks in parts:
                reception.take(chunks)
        except (errors.BadRequest, errors.TooManyRequests) as error:
            reception.cut(error)
        return reception.commit()


@dataclass(slots=True)
class _Running:
    """The instance that is arriving."""

    scanner: part10.Scanner = field(default_factory=part10.Scanner)
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    crc32: int = 0
    first: list[Chunk] = field(default_factory=list)
    first_bytes: int = 0
    push: Push | None = None


class Reception:
    """One request's pushes, one a transfer; leaving without `commit` gives all of them up."""

    def __init__(self, who: Principal, destination: Destination, *, study_instance_uid: str = "") -> None:
        self._who = who
        self._destination = destination
        self._study_instance_uid = study_instance_uid
        self._pushes: dict[str, Push] = {}
        # Transfers made for these pushes and of which nothing is stored: nobody is to wonder where they went.
        self._made: set[UUID] = set()
        self._outcome = Outcome()
        self._quiet = destination.quiet_stow

    def __enter__(self) -> "Reception":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in self._pushes.values():
            with suppress(DatabaseError):  # a database that is away lets leases run out
                push.drop(running)
        for transfer_id in self._made:
            with suppress(DatabaseError, errors.Unavailable):  # what is left of it the sweep removes
                finalising.take_back(transfer_id)

    def take(self, chunks: Iterable[Chunk]) -> None:
        """Receive one instance; a refusal is noted and the next one may come."""
        running = _Running()
        try:
            for chunk in chunks:
                self._feed(running, chunk)
            self._finish(running)
        except (errors.InstanceRefused, errors.QuotaExceeded, errors.StorageFull) as refusal:
            self._abandon(running)
            names = getattr(chunks, "names", ("", ""))  # of what is composed, before its header has been scanned
            self._outcome.failed.append(_failed(running, refusal, names))
        except BaseException:
            self._abandon(running)
            raise

    def cut(self, error: errors.ExchangeError) -> None:
        """Remember that the body ended before its end; more of it may come in another request."""
        self._outcome.cut = error
        self._quiet = self._destination.quiet_cut

    def commit(self) -> Outcome:
        """Acknowledge what is whole."""
        while self._pushes:
            self._commit_one(next(iter(self._pushes)))
        return self._outcome

    def _commit_one(self, study_instance_uid: str) -> None:
        one = self._pushes[study_instance_uid]
        if not one.staged:
            push.drop(self._pushes.pop(study_instance_uid))
            return
        stored, failed = committing.commit(self._who, one, quiet=self._quiet)
        del self._pushes[study_instance_uid]  # not before: what fails on the way is dropped at the end
        if stored:
            self._made.discard(one.birth.transfer_id)
        self._outcome.stored += stored
        self._outcome.failed += failed

    def _feed(self, running: _Running, chunk: Chunk) -> None:
        running.scanner.feed(chunk)
        running.digest.update(chunk)
        running.crc32 = checksum.crc32(chunk, running.crc32)
        if running.push is not None:
            running.push.writer.write(chunk)
            running.push.beat(len(chunk))
            return
        running.first.append(chunk)
        running.first_bytes += len(chunk)
        if running.scanner.routed:
            self._route(running)
        elif running.first_bytes > MAX_UNROUTED:
            raise errors.MalformedInstance("The study cannot be told from the first 16 MiB of the instance.")

    def _route(self, running: _Running) -> None:
        """Choose the transfer, and seal what has been kept back until now."""
        running.push = self._push_for(running.scanner.study_instance_uid)
        running.push.writer.begin()
        for chunk in running.first:
            running.push.writer.write(chunk)
        running.push.beat(running.first_bytes)

    def _push_for(self, study: str) -> Push:
        if self._study_instance_uid and study != self._study_instance_uid:
            raise errors.WrongStudy
        key = "" if self._destination.transfer_id else study
        if (open_one := self._pushes.get(key)) is not None:
            quota.ensure_room_for(
                self._destination.sender_id,
                bytes_more=open_one.byte_count,
                instances_more=len(open_one.staged) + 1,
                urgent=open_one.birth.is_urgent,
            )
            return open_one
        if len(self._pushes) >= MAX_OPEN:
            self._commit_one(next(iter(self._pushes)))
        self._pushes[key] = self._open(study)
        return self._pushes[key]

    def _open(self, study: str) -> Push:
        for _attempt in range(5):
            is_first = not self._pushes
            found = intake.open_push(self._who, self._destination, study_instance_uid=study, is_first=is_first)
            if found is not None:
                # What the other pushes of this request have brought so far is in no sum yet.
                found.room -= sum(running.byte_count for running in self._pushes.values())
                return found
            if self._destination.transfer_id is not None:
                raise errors.Conflict("This transfer takes no more instances.")
            made = intake.create_transfer(self._who, self._destination, study_instance_uid=study)
            self._made |= {made} if made else set()
        raise errors.Busy("This study is being received and closed at the same moment. Send it again.")

    def _finish(self, running: _Running) -> None:
        header = running.scanner.finish()
        if running.push is None:
            self._route(running)
        assert running.push is not None
        stretch = running.push.writer.end()
        running.push.staged.append(
            Staged(header, stretch, running.digest.digest(), running.crc32, _tail_crc32(running, header))
        )

    def _abandon(self, running: _Running) -> None:
        if running.push is not None:
            running.push.writer.abandon()


def _tail_crc32(running: _Running, header: part10.Header) -> int | None:
    """CRC-32 of Pixel Data and what follows, so that a rewritten header can be checked without reading them.

    Known without a second pass where Pixel Data begin within what was kept: crc(tail) follows from the CRC of
    the whole and of the head.
    """
    offset = header.pixel_offset
    if offset is None or offset > running.first_bytes:
        return None
    head = 0
    left = offset
    for chunk in running.first:
        head = checksum.crc32(memoryview(chunk)[:left], head)
        left -= min(left, len(chunk))
    return checksum.crc32_combine(head, running.crc32, header.size - offset)


def _failed(running: _Running, error: errors.ExchangeError, names: tuple[str, str]) -> Failed:
    known = running.scanner.names
    return Failed(*(known if all(known) else names if all(names) else ("", "")), error)
