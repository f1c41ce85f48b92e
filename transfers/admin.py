"""The admin of transfers: ids, states, counts and times of every table, read only.

What is sealed stays sealed; the one thing an operator does here is to let a dead job try again.
"""

from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from accounts.administration import ReadOnly
from transfers import jobs
from transfers.models import (
    Commitment,
    DeclaredInstance,
    Delivery,
    Destruction,
    Disclosure,
    Document,
    Finding,
    Grant,
    IdempotencyKey,
    Instance,
    Intake,
    Job,
    Lease,
    Notification,
    Pack,
    PullRecord,
    Series,
    Study,
    Switch,
    Tombstone,
    Transfer,
)
from transfers.rules.lifecycle import OVER, Access, State

_OF_TRANSFER: Final = ("=transfer__reference", "=transfer__id")


@admin.register(Transfer)
class TransferAdmin(ReadOnly):
    list_display = (
        "reference",
        "state",
        "why",
        "sender__address",
        "instance_count",
        "still_stored",
        "created_at",
        "available_until",
        "purge_at",
    )
    list_filter = ("state", "reason", "urgency")
    search_fields = ("=reference", "=id", "sender__address")
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transfer]:
        ended = Tombstone.objects.filter(transfer_id=OuterRef("pk")).values("reason")[:1]
        # Objects are deleted behind the transaction that destroys: until then their bytes lie there, without a key.
        left = Pack.objects.filter(transfer=OuterRef("pk"), deleted_at=None)
        rows: QuerySet[Transfer] = super().get_queryset(request)
        return rows.annotate(ended=Subquery(ended), has_objects=Exists(left))

    @admin.display(description="reason", ordering="reason")
    def why(self, row: Any) -> str:  # Any: with the annotations above
        """Why it is held or closed; of what is destroyed the tombstone says it."""
        return str(row.ended or row.reason)

    @admin.display(description="stored bytes", ordering="stored_bytes")
    def still_stored(self, row: Any) -> int:  # Any: as above
        return int(row.stored_bytes) if row.state != State.PURGED or row.has_objects else 0


@admin.register(Intake)
class IntakeAdmin(ReadOnly):
    list_display = ("id", "sender__address", "address", "study_instance_uid", "transfer__reference")
    search_fields = ("=study_instance_uid", *_OF_TRANSFER)


@admin.register(Lease)
class LeaseAdmin(ReadOnly):
    list_display = ("id", "kind", "transfer__reference", "principal", "byte_count", "started_at", "heartbeat_at")
    search_fields = ("=principal", *_OF_TRANSFER)


@admin.register(Pack)
class PackAdmin(ReadOnly):
    list_display = ("name", "transfer__reference", "committed_length", "is_open", "created_at", "deleted_at")
    list_filter = ("is_open",)
    search_fields = ("=name", *_OF_TRANSFER)


@admin.register(Study)
class StudyAdmin(ReadOnly):
    list_display = ("study_instance_uid", "transfer__reference", "series_count", "instance_count", "received_at")
    search_fields = ("=study_instance_uid", *_OF_TRANSFER)


@admin.register(Series)
class SeriesAdmin(ReadOnly):
    list_display = ("series_instance_uid", "study__study_instance_uid", "instance_count", "received_at")
    search_fields = ("=series_instance_uid", "=study__study_instance_uid")


@admin.register(Instance)
class InstanceAdmin(ReadOnly):
    list_display = ("sop_instance_uid", "transfer__reference", "sop_class_uid", "size", "rejected_by", "received_at")
    search_fields = ("=sop_instance_uid", *_OF_TRANSFER)


@admin.register(DeclaredInstance)
class DeclaredInstanceAdmin(ReadOnly):
    list_display = ("sop_instance_uid", "transfer__reference")
    search_fields = ("=sop_instance_uid", *_OF_TRANSFER)


@admin.register(Document)
class DocumentAdmin(ReadOnly):
    list_display = ("id", "transfer__reference", "media_type", "status", "size", "received_at")
    search_fields = _OF_TRANSFER


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = (
        "id",
        "transfer__reference",
        "organization__address",
        "department__slug",
        "user__email",
        "access_now",
        "notice",
        "progress",
    )
    list_filter = ("access", "notice", "progress")
    search_fields = ("organization__address", "user__email", *_OF_TRANSFER)
    list_select_related = ("transfer",)

    @admin.display(description="access", ordering="access")
    def access_now(self, row: Delivery) -> str:
        """What was open ended with its transfer."""
        return f"{row.access}, ended" if row.transfer.state in OVER and row.access == Access.OPEN else row.access


@admin.register(Grant)
class GrantAdmin(ReadOnly):
    list_display = (
        "id",
        "delivery__transfer__reference",
        "factor",
        "attempts",
        "locked_at",
        "pulls_done",
        "verified_at",
        "revoked_at",
    )
    search_fields = ("=delivery__transfer__reference",)


@admin.register(PullRecord)
class PullRecordAdmin(ReadOnly):
    list_display = ("id", "delivery__transfer__reference", "kind", "road", "principal", "count", "last_at")
    list_filter = ("kind", "road")
    search_fields = ("=delivery__transfer__reference", "=principal")


@admin.register(Finding)
class FindingAdmin(ReadOnly):
    list_display = ("id", "transfer__reference", "grade", "code", "count", "created_at", "released_at")
    list_filter = ("grade", "code")
    search_fields = ("=code", *_OF_TRANSFER)


@admin.register(Job)
class JobAdmin(ReadOnly):
    """The queue of record; dead jobs wait here for a person."""

    list_display = ("id", "event", "row", "state", "tried", "due_at", "done_at", "error")
    list_filter = ("state", "event")
    search_fields = ("=event", "=row", "=id")
    ordering = ("-id",)
    actions = ("retry",)

    @admin.display(description="tried", ordering="attempts")
    def tried(self, row: Job) -> str:
        return f"{row.attempts} of {row.max_attempts}"

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("transfers.change_job"))

    @admin.action(description="Try dead jobs again", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        dead = list(queryset.filter(state=Job.State.DEAD))
        retried = [job for job in dead if jobs.requeue(job.pk)]
        for job in retried:
            self.log_change(request, job, [{"changed": {"fields": ["state"]}}])
        rest = queryset.count() - len(retried)
        self.message_user(request, f"{len(retried)} jobs will be tried again.", messages.SUCCESS)
        if rest:
            self.message_user(request, f"{rest} were left: not dead, or the same work waits already.", messages.WARNING)


@admin.register(Notification)
class NotificationAdmin(ReadOnly):
    list_display = ("id", "event", "audience", "state", "attempts", "transfer__reference", "sent_at", "error")
    list_filter = ("state", "audience")
    search_fields = ("=message_id", *_OF_TRANSFER)


@admin.register(Switch)
class SwitchAdmin(ReadOnly):
    """Maintenance and the purge brake; they are set by commands."""

    list_display = ("name", "is_on", "note", "since")


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnly):
    list_display = ("id", "principal", "transfer__reference", "status", "created_at")
    search_fields = ("=principal",)


@admin.register(Commitment)
class CommitmentAdmin(ReadOnly):
    list_display = ("transaction_uid", "principal", "kept_until", "asked_at")
    search_fields = ("=principal", "=transaction_uid")


@admin.register(Tombstone)
class TombstoneAdmin(ReadOnly):
    list_display = ("reference", "sender__address", "reason", "instance_count", "closed_at", "purged_at")
    search_fields = ("=reference", "=transfer_id")


@admin.register(Destruction)
class DestructionAdmin(ReadOnly):
    list_display = (
        "transfer_id",
        "sender__address",
        "closed_at",
        "wrap_removed_at",
        "objects_deleted_at",
        "day_key_destroyed_at",
        "outcome",
    )
    list_filter = ("outcome",)
    search_fields = ("=transfer_id", "=day_key_id")


@admin.register(Disclosure)
class DisclosureAdmin(ReadOnly):
    """Of a reader by link a keyed hash is all there is; `manage.py disclosures` compares it with an address."""

    list_display = (
        "reference",
        "sender__address",
        "recipient",
        "progress",
        "pulled_instances",
        "instance_count",
        "sent_at",
        "closed_at",
    )
    search_fields = ("=reference", "=transfer_id", "=recipient")
