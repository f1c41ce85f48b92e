"""Links for people without an account: a secret, then a second factor, then a principal.

Opening a link changes nothing. A guess is counted by a conditional update before it is compared, so that
parallel guesses never pass the cap, and a lock hits only that factor of that link.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from accounts import audit, credentials
from accounts.principals import Principal
from transfers import errors
from transfers.models import Delivery, Grant
from transfers.rules.lifecycle import Access, Progress, State

USED_UP: Final = "This link was used as often as its sender allowed. Ask the sender for a new one."

CLOSED: Final = "The sender has closed this link."


@dataclass(frozen=True, slots=True)
class Link:
    """What a link's landing page may say; nothing of the patient."""

    grant_id: int
    is_open: bool
    is_locked: bool
    factor: str
    grant: Grant


class Verdict(StrEnum):
    OPENED = "opened"
    WRONG = "wrong"
    LOCKED = "locked"
    OVER = "over"


def resolve_link(token: str) -> Link | None:
    """The link behind a secret, or None; reads only."""
    digest = credentials.keyed_digest("link", token)
    grant = (
        Grant.objects.filter(token_digest=digest)
        .select_related("delivery__transfer__sender", "delivery__transfer__sender_department")
        .first()
    )
    if grant is None:
        return None
    return Link(
        grant_id=grant.pk,
        is_open=_open_grants().filter(pk=grant.pk).exists(),
        is_locked=grant.locked_at is not None,
        factor=grant.factor,
        grant=grant,
    )


def verify_factor(grant: Grant, secret: str) -> Verdict:
    """Compare the second factor, after counting the attempt."""
    if not _open_grants().filter(pk=grant.pk).exists():
        return Verdict.OVER
    counted = Grant.objects.filter(pk=grant.pk, locked_at=None, attempts__lt=F("max_attempts")).update(
        attempts=F("attempts") + 1
    )
    if not counted:
        return Verdict.LOCKED
    who = principal_of_grant(grant)
    if grant.pin_digest is not None and credentials.matches(grant.pin_digest, _purpose(grant.delivery), secret):
        Grant.objects.filter(pk=grant.pk).update(attempts=0, verified_at=Now())
        Delivery.objects.filter(pk=grant.delivery_id, progress=Progress.NONE).update(
            progress=Progress.OPENED, opened_at=Now()
        )
        _audit(who, grant, "link.opened")
        return Verdict.OPENED
    locked = Grant.objects.filter(pk=grant.pk, attempts__gte=F("max_attempts"), locked_at=None).update(locked_at=Now())
    _audit(who, grant, "link.locked" if locked else "link.refused")
    return Verdict.LOCKED if locked else Verdict.WRONG


def digest_of_pin(delivery: Delivery, pin: str) -> bytes:
    """What is kept of a PIN: bound to the reader, who needs no new one for a follow-up of the same transfer."""
    return credentials.keyed_digest(_purpose(delivery), pin)


def principal_of_grant(grant: Grant) -> Principal:
    """The holder of a link, bound to its one delivery."""
    return Principal(kind="link", ident=f"link:{grant.pk}", bound_to=f"delivery:{grant.delivery_id}")


def grant_of(who: Principal) -> int | None:
    """The grant whose holder this is, None for everybody else."""
    return int(who.ident.removeprefix("link:")) if who.kind == "link" else None


def same_reader(who: Principal) -> QuerySet[Delivery]:
    """Open deliveries to the e-mail address of a link's holder, whose links open with the PIN that was given."""
    rows = Delivery.objects.filter(access=Access.OPEN, email_hash__isnull=False)
    if (mine := _held_by(who)) is None:
        return rows.none()
    same = rows.filter(email_hash=mine.delivery.email_hash, transfer__sender=mine.delivery.transfer.sender_id)
    return same.filter(pk__in=_of_same_pin(mine).values("delivery_id")).exclude(pk=mine.delivery_id)


def same_reader_of(who: Principal, transfer_id: UUID) -> Principal | None:
    """The holder of a link as the holder of the one to another transfer that the same PIN opens."""
    mine = _held_by(who)
    if mine is None:
        return None
    deliveries = same_reader(who).filter(transfer=transfer_id)
    grant = _of_same_pin(mine).filter(delivery__in=deliveries).order_by("-id").first()
    return principal_of_grant(grant) if grant else None


def _held_by(who: Principal) -> Grant | None:
    """The unrevoked link that this is the holder of; None also without a PIN, for two such have none in common."""
    grants = Grant.objects.filter(revoked_at=None, pin_digest__isnull=False).select_related("delivery__transfer")
    grant_id = grant_of(who)
    return grants.filter(pk=grant_id).first() if grant_id is not None else None


def _of_same_pin(mine: Grant) -> QuerySet[Grant]:
    return Grant.objects.filter(revoked_at=None, locked_at=None, pin_digest=mine.pin_digest)


def is_closed(who: Principal) -> bool:
    """Whether this is the holder of a link that was revoked."""
    grant_id = grant_of(who)
    return grant_id is not None and Grant.objects.filter(pk=grant_id, revoked_at__isnull=False).exists()


def holder_of(grant_id: int) -> tuple[Principal, UUID]:
    """The holder of a link and the one transfer behind it, for who has given the second factor.

    Raises NotFound where there is no such grant, Gone where it was revoked or pulled as often as its sender allowed:
    who reads frames and pages beyond that pulls once more under another name.
    """
    grant = Grant.objects.filter(pk=grant_id).select_related("delivery").first()
    if grant is None:
        raise errors.NotFound
    if grant.revoked_at is not None or grant.delivery.access != Access.OPEN:
        raise errors.Gone(CLOSED)
    if grant.max_pulls is not None and grant.pulls_done >= grant.max_pulls:
        raise errors.Gone(USED_UP)
    return principal_of_grant(grant), grant.delivery.transfer_id


def _purpose(delivery: Delivery) -> str:
    whose = f"delivery {delivery.pk}" if delivery.email_hash is None else bytes(delivery.email_hash).hex()
    return f"pin:{whose}"


def _open_grants() -> QuerySet[Grant]:
    return Grant.objects.filter(
        Q(revoked_at=None),
        delivery__access=Access.OPEN,
        delivery__transfer__state=State.AVAILABLE,
        delivery__transfer__available_until__gt=Now(),
    )


def _audit(who: Principal, grant: Grant, action: str) -> None:
    transfer = grant.delivery.transfer
    audit.record(who, action, organization_id=transfer.sender_id, subject=f"transfer:{transfer.pk}")
