"""The register of disclosures: who got what of whom, answered long after the studies are gone.

While a transfer lives it is found by the hashes of its day; when it is destroyed its deliveries are written down
under the register's key, before the key that opens their records goes. Only who knows an identifier finds it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Min, Q

from accounts import audit
from accounts.models import Department, Organization, User
from accounts.principals import Principal
from transfers import errors, keys, lookups
from transfers.lookups import Hash, Hashes
from transfers.models import Delivery, Disclosure, Study, Transfer
from transfers.rules.identity import Identity


@dataclass(frozen=True, slots=True)
class DisclosureEntry:
    """One recipient of one patient's studies; `closed_at` is None while the transfer still lives."""

    transfer_id: UUID
    reference: str
    recipient: str
    recipient_name: str
    sent_at: datetime | None
    first_pulled_at: datetime | None
    progress: str
    pulled_instances: int
    instance_count: int
    closed_at: datetime | None


_NOT_MANAGING: Final = (
    "This takes the right to manage a whole organisation: use a key with the scope manage, or sign in as one of its"
    " administrators."
)


@dataclass(frozen=True, slots=True)
class _Part:
    """What of a transfer belongs to one patient and request."""

    hashes: Hashes
    studies: tuple[int, ...]
    instance_count: int


def register(transfer: Transfer) -> None:
    """Write down every delivery that was open, for each patient and request in the transfer."""
    if transfer.available_at is None:
        return
    parts = _parts(transfer)
    for delivery in transfer.deliveries.filter(was_open=True).order_by("id"):
        for part in parts:
            Disclosure.objects.create(
                transfer_id=transfer.pk,
                reference=transfer.reference,
                sender=transfer.sender,
                recipient=delivery.register_name,
                patient_hash=part.hashes.patient,
                accession_hash=part.hashes.accession,
                sent_at=transfer.sent_at,
                first_pulled_at=_first_pull(delivery),
                progress=delivery.progress,
                pulled_instances=_pulled(delivery, part.studies),
                instance_count=part.instance_count,
                closed_at=transfer.closed_at or transfer.available_until,
            )


def search_disclosures(
    who: Principal, *, patient_id: str, issuer: str, accession: str = "", email: str = ""
) -> list[DisclosureEntry]:
    """Everyone who was sent this patient's studies by the caller's organisation, the newest first.

    Without issuer the organisation's own is meant. With an e-mail address only what went to it: of readers without an
    account a keyed hash is all that is kept. Raises Forbidden for anyone but its administrators.
    """
    organizations = Organization.objects.filter(pk__in=who.organizations("manage"))
    if not organizations:
        raise errors.Forbidden(_NOT_MANAGING)
    if not patient_id and not accession:
        raise errors.BadRequest("Name a patient ID or an accession number.")
    entries: list[DisclosureEntry] = []
    for organization in organizations:
        default = lookups.domains_of(organization)
        whose = Identity(patient_id, issuer or default.patient, accession, default.accession)
        entries += [*_live(organization, whose), *_closed(organization, whose)]
        audit.record(who, "disclosure.search", organization_id=organization.pk, detail={"found": len(entries)})
    if email:
        meant = _recipients_of(email)
        entries = [entry for entry in entries if entry.recipient in meant]
    return sorted(entries, key=lambda entry: entry.sent_at.timestamp() if entry.sent_at else 0, reverse=True)


def _parts(transfer: Transfer) -> list[_Part]:
    studies: dict[Hashes, list[Study]] = defaultdict(list)
    documents: set[Hashes] = set()
    try:
        key = lookups.open_key(transfer)
        for study, whose in lookups.identities(transfer, key):
            studies[_registered(whose)].append(study)
        default = lookups.domains_of(transfer.sender)
        for document in transfer.documents.all():
            documents.add(_registered(lookups.document_accession(document, key, default=default)))
    except (errors.Gone, errors.Integrity):
        # Destroyed elsewhere or damaged: that it was sent is still to be told, and it must go all the same.
        studies, documents = {Hashes(None, None): list(transfer.studies.all())}, set()
    told = {hashes.accession for hashes in studies}
    alone = {hashes for hashes in documents if hashes.accession not in told} if studies else documents
    return [_part(hashes, found) for hashes, found in studies.items()] + [_part(hashes, []) for hashes in alone]


def _part(hashes: Hashes, studies: list[Study]) -> _Part:
    return _Part(hashes, tuple(study.pk for study in studies), sum(study.instance_count for study in studies))


def _registered(whose: Identity | None) -> Hashes:
    return lookups.hashes_of(whose, _register_hash()) if whose else Hashes(None, None)


def _register_hash() -> Hash:
    return partial(keys.keyed_hash, keys.register_key())


def _live(organization: Organization, whose: Identity) -> Iterator[DisclosureEntry]:
    days = (keys.index_key(keys.day_key_by_id(day.id)) for day in keys.list_day_keys())
    by_day = [lookups.hashes_of(whose, partial(keys.keyed_hash, index)) for index in days]
    condition = Q(transfer__sender=organization, transfer__wrapped_key__isnull=False)
    if whose.patient_id:
        condition &= Q(patient_hash__in=[hashes.patient for hashes in by_day])
    if whose.accession:
        condition &= Q(accession_hash__in=[hashes.accession for hashes in by_day])
    found: dict[UUID, list[Study]] = defaultdict(list)
    for study in Study.objects.filter(condition).select_related("transfer"):
        found[study.transfer_id].append(study)
    for studies in found.values():
        yield from _live_entries(studies)


def _live_entries(studies: list[Study]) -> Iterator[DisclosureEntry]:
    transfer = studies[0].transfer
    part = _part(Hashes(None, None), studies)
    for delivery in transfer.deliveries.filter(was_open=True).order_by("id"):
        yield DisclosureEntry(
            transfer_id=transfer.pk,
            reference=transfer.reference,
            recipient=delivery.register_name,
            recipient_name=recipient_name(delivery.register_name),
            sent_at=transfer.sent_at,
            first_pulled_at=_first_pull(delivery),
            progress=delivery.progress,
            pulled_instances=_pulled(delivery, part.studies),
            instance_count=part.instance_count,
            closed_at=transfer.closed_at,
        )


def _closed(organization: Organization, whose: Identity) -> Iterator[DisclosureEntry]:
    hashes = lookups.hashes_of(whose, _register_hash())
    condition: dict[str, Any] = {"sender": organization}  # Any: column values
    if hashes.patient:
        condition["patient_hash"] = hashes.patient
    if hashes.accession:
        condition["accession_hash"] = hashes.accession
    for row in Disclosure.objects.filter(**condition).order_by("id"):
        yield DisclosureEntry(
            transfer_id=row.transfer_id,
            reference=row.reference,
            recipient=row.recipient,
            recipient_name=recipient_name(row.recipient),
            sent_at=row.sent_at,
            first_pulled_at=row.first_pulled_at,
            progress=row.progress,
            pulled_instances=row.pulled_instances,
            instance_count=row.instance_count,
            closed_at=row.closed_at,
        )


def _recipients_of(email: str) -> set[str]:
    """As whom an address was sent something: a reader by link, or a person with an account."""
    users = User.objects.filter(email__iexact=email.strip()).values_list("pk", flat=True)
    return {f"email:{lookups.email_hash(email.strip()).hex()}", *(f"user:{pk}" for pk in users)}


def recipient_name(recipient: str) -> str:
    """What a person calls the recipient; an e-mail address was forgotten with its transfer."""
    kind, _, ident = recipient.partition(":")
    if kind == "organization":
        return _first(Organization.objects.filter(pk=ident).values_list("name", flat=True))
    if kind == "department":
        return _first(d.address for d in Department.objects.filter(pk=ident).select_related("organization"))
    if kind == "user":
        return _first(user.get_full_name() for user in User.objects.filter(pk=ident))
    return f"a reader by link ({ident[:12]})"


def _first(found: Iterable[str]) -> str:
    return next(iter(found), "")


def _first_pull(delivery: Delivery) -> datetime | None:
    first: datetime | None = delivery.pull_records.filter(kind="pulled").aggregate(first=Min("first_at"))["first"]
    return first or delivery.pulled_at


def _pulled(delivery: Delivery, studies: tuple[int, ...]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(DISTINCT r.instance_id)
              FROM transfers_pullrecord r JOIN transfers_instance i ON i.id = r.instance_id
             WHERE r.delivery_id = %s AND i.study_id = ANY(%s) AND r.kind IN ('pulled', 'proven')
            """,
            [delivery.pk, list(studies)],
        )
        count: int = cursor.fetchone()[0]
    return count
