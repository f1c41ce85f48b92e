"""Send a draft, end its pushes, release what was held."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest, Now

from accounts import audit
from accounts.principals import Principal
from transfers import births, declarations, errors, lookups, transitions
from transfers.access import Act
from transfers.addressing import drafting, locking, rescheduling
from transfers.addressing.granting import IssuedPin
from transfers.models import Finding, Transfer
from transfers.rules import conformance
from transfers.rules.lifecycle import LEASE_LIVES, Event, Reason, State


@transaction.atomic
def send(
    who: Principal, transfer_id: UUID, *, recipients: Sequence[str] = (), revision: int | None = None
) -> tuple[IssuedPin, ...]:
    """Hand a draft over: to validation, or to receiving while pushes run or what was declared is not reached.

    The end of its life is counted from now, unless the sender named one. Returns the PINs of recipients added
    by this act. Raises Conflict where it has no recipient or nothing to send.
    """
    pins: tuple[IssuedPin, ...] = ()
    if recipients:
        pins, revision = drafting.add_recipients(who, transfer_id, recipients, revision=revision), None
    transfer = locking.lock_open(who, transfer_id, Act.SEND, revision=revision)
    if transfer.state != State.DRAFT:
        raise errors.Conflict("This transfer was already sent.")
    _ensure_sendable(transfer)
    now = births.database_now()
    if rescheduling.has_default_life(transfer):
        rescheduling.give_default_life(transfer, start=now)
    elif transfer.available_until <= now:
        raise errors.Conflict("The time until which it should be available has passed. Create a new transfer.")
    is_complete = not (has_open_push(transfer) or _lacks_declared(transfer))
    transitions.apply(transfer_id, Event.SEND_COMPLETE if is_complete else Event.SEND, who=who)
    if is_complete:
        Transfer.objects.filter(pk=transfer_id).update(finalised_by="explicit", finalise_requested=True)
    else:
        _await_quiet(transfer)
    return pins


@transaction.atomic
def finalise(who: Principal, transfer_id: UUID, *, revision: int | None = None) -> bool:
    """Say that everything was pushed; False where pushes in flight must end first, and then it ends by itself."""
    transfer = locking.lock_open(who, transfer_id, Act.SEND, revision=revision)
    if transfer.state != State.RECEIVING:
        raise errors.Conflict("Only a transfer that is receiving can be finalised.")
    if not transfer.instance_count and not transfer.documents.exists():
        raise errors.Conflict("Nothing was pushed yet. Push an instance or attach a document first.")
    Transfer.objects.filter(pk=transfer_id).update(finalise_requested=True)
    if has_open_push(transfer):
        locking.bump(transfer)
        _audit(who, transfer, "transfer.finalise-requested")
        return False
    Transfer.objects.filter(pk=transfer_id).update(finalised_by="explicit")
    transitions.apply(transfer_id, Event.FINALISE, who=who, detail={"by": "explicit"})
    return True


@transaction.atomic
def release(who: Principal, transfer_id: UUID, *, note: str, revision: int | None = None) -> None:
    """Let a held transfer go all the same; the note says why and is kept, sealed, with each finding.

    One whose validation failed has nothing to release yet: it is validated again.

    Raises Conflict where a finding can never be released, or where the transfer is not held for findings.
    """
    if not note.strip():
        raise errors.InvalidField("note", "Say why it may go to the recipients all the same.")
    transfer = locking.lock_open(who, transfer_id, Act.RELEASE, revision=revision)
    stops = list(transfer.findings.filter(grade="stop", released_at=None).select_related("instance"))
    if transfer.state == State.HELD and transfer.reason == Reason.FAILED:
        transitions.apply(transfer_id, Event.RETRY, who=who)
        return
    if transfer.state != State.HELD:
        raise errors.Conflict("Only a transfer that is held can be released.")
    if not conformance.may_be_released(finding.code for finding in stops):
        raise errors.Conflict("A finding of this transfer can never be released. Withdraw it and send it anew.")
    key = lookups.open_key(transfer)
    for finding in stops:
        finding.release_record = key.seal("release", finding.sealed_row, note.strip().encode())
        finding.released_by = who.ident
        finding.save(update_fields=["release_record", "released_by"])
    Finding.objects.filter(pk__in=[finding.pk for finding in stops]).update(released_at=Now())
    transitions.apply(transfer_id, Event.RELEASE, who=who, detail={"findings": [f.code for f in stops]})


def has_open_push(transfer: Transfer) -> bool:
    return transfer.leases.filter(kind="push", heartbeat_at__gt=Now() - LEASE_LIVES).exists()


def reached_by(transfer: Transfer) -> str:
    """How it is known that everything declared is here; "" where it is not."""
    return declarations.reached_by(
        transfer.pk,
        declared=transfer.declared_instances,
        present=transfer.instance_count,
        is_follow_up=transfer.follows_id is not None,
    )


def _ensure_sendable(transfer: Transfer) -> None:
    if not transfer.deliveries.exists():
        raise errors.Conflict("It has no recipient yet. Name one in `recipients`.")
    if not (transfer.instance_count or transfer.declared_instances or transfer.documents.exists()):
        raise errors.Conflict("It holds nothing yet. Push instances, attach a document or declare how many will come.")


def _lacks_declared(transfer: Transfer) -> bool:
    return transfer.declared_instances is not None and not reached_by(transfer)


def _await_quiet(transfer: Transfer) -> None:
    """From now on silence ends the pushing, as it does for a push to an address."""
    wait = timedelta(seconds=transfer.sender.quiet_cut_seconds)
    Transfer.objects.filter(pk=transfer.pk).update(quiet_until=Greatest(F("quiet_until"), Now() + wait))


def _audit(who: Principal, transfer: Transfer, action: str) -> None:
    audit.record(who, action, organization_id=transfer.sender_id, subject=f"transfer:{transfer.pk}")
