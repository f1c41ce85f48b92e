"""What became of each instance of a push."""

from dataclasses import dataclass, field
from uuid import UUID

from transfers import errors


@dataclass(frozen=True, slots=True)
class Stored:
    """Acknowledged: this or a later version of it is kept, under this transfer."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_id: UUID


@dataclass(frozen=True, slots=True)
class Failed:
    """Not stored; the UIDs are empty where they could not be read."""

    sop_class_uid: str
    sop_instance_uid: str
    error: errors.ExchangeError


@dataclass(slots=True)
class Outcome:
    """`cut` is the reason why the push ended before its end; what is listed as stored is kept all the same."""

    stored: list[Stored] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    cut: errors.ExchangeError | None = None

    @property
    def transfer_ids(self) -> list[UUID]:
        return list(dict.fromkeys(one.transfer_id for one in self.stored))
