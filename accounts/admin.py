"""The admin of organisations, people and keys (docs/operations.md)."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import deactivating, keys_admin
from accounts.administration import Audited, ReadOnly, principal_of
from accounts.forms import (
    DepartmentForm,
    MembershipForm,
    NewPersonForm,
    OrganizationForm,
    PartnershipForm,
    PasswordForm,
    PersonForm,
)
from accounts.models import (
    AuditEvent,
    AuditSegment,
    Department,
    Membership,
    Organization,
    Partnership,
    User,
)

if TYPE_CHECKING:  # generic for the type checker alone
    DepartmentRows = admin.StackedInline[Department, Organization]
    People = UserAdmin[User]
else:
    DepartmentRows, People = admin.StackedInline, UserAdmin

assert keys_admin  # it registers its table
admin.site.unregister(Group)  # roles are memberships; Django's groups would be a second way to hold rights


class DepartmentInline(DepartmentRows):
    model = Department
    form = DepartmentForm
    extra = 0
    can_delete = False  # as on its own page: it is made inactive, for transfers name it
    fields = ("slug", "name", "desk_phone", "notify_email", "is_active")
    show_change_link = True


@admin.register(Organization)
class OrganizationAdmin(Audited):
    form = OrganizationForm
    list_display = ("name", "address", "desk_phone", "retention_days", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name", "address", "oid")
    inlines = (DepartmentInline,)
    fieldsets = (
        (None, {"fields": ("name", "address", "is_active")}),
        ("The desk", {"fields": ("desk_phone", "notify_email", "time_zone")}),
        ("Identifiers", {"fields": ("oid", "patient_id_issuer", "accession_issuer")}),
        (
            "How long things live",
            {"fields": ("retention_days", "retention_ceiling_days", "grace_days", "close_when_fulfilled")},
        ),
        ("How much it may hold", {"fields": ("max_bytes", "max_instances", "max_open_transfers")}),
        (
            "For its programs",
            {"fields": ("quiet_stow_seconds", "quiet_cut_seconds", "allowed_origins"), "classes": ("collapse",)},
        ),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Organization | None = None) -> bool:
        """Its trail must outlive it: an organisation is closed, not deleted."""
        return False


@admin.register(Department)
class DepartmentAdmin(Audited):
    form = DepartmentForm
    fields = ("organization", "slug", "name", "desk_phone", "notify_email", "is_active")
    list_display = ("name", "slug", "organization", "is_active")
    list_select_related = ("organization",)
    list_filter = ("is_active",)
    search_fields = ("name", "slug", "organization__address")

    def has_delete_permission(self, request: HttpRequest, obj: Department | None = None) -> bool:
        return False


@admin.register(Partnership)
class PartnershipAdmin(Audited):
    form = PartnershipForm
    list_display = ("__str__", "state", "auto_accept", "expires_at")
    list_select_related = ("sender", "recipient")
    list_filter = ("state", "auto_accept")
    search_fields = ("sender__address", "recipient__address")


@admin.register(Membership)
class MembershipAdmin(Audited):
    form = MembershipForm
    list_display = ("user", "organization", "department", "may_send", "may_receive", "may_administer")
    list_select_related = ("user", "organization", "department__organization")
    list_filter = ("may_send", "may_receive", "may_administer")
    search_fields = ("user__email", "organization__address")


@admin.register(User)
class PersonAdmin(Audited, People):
    """People. To clear "active" ends their sessions, keys and links at once."""

    form, add_form, change_password_form = PersonForm, NewPersonForm, PasswordForm
    ordering = ("email",)
    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("email", "name", "time_zone", "password")}),
        ("May sign in", {"fields": ("is_active",)}),
        ("Operates the exchange", {"fields": ("is_staff", "is_superuser")}),
        ("Times", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "time_zone", "password1", "password2")}),)
    actions = ("deactivate",)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """What a person did stays in the trail: an account is deactivated, not deleted."""
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # Any: Django's signature
        super().save_model(request, obj, form, change)
        if change and not obj.is_active and "is_active" in form.changed_data:
            deactivating.deactivate(obj, who=principal_of(request))

    @admin.action(description="Deactivate: end sessions, keys and links at once")
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        people = [user for user in queryset if user.pk != request.user.pk]
        for user in people:
            deactivating.deactivate(user, who=principal_of(request))
            self.log_change(request, user, [{"changed": {"fields": ["is_active"]}}])
        self.message_user(request, f"{len(people)} deactivated.", messages.SUCCESS)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly):
    list_display = ("id", "at", "action", "principal", "agent", "subject", "organization__address")
    search_fields = ("=subject", "=principal", "=action")
    date_hierarchy = None
    ordering = ("-id",)


@admin.register(AuditSegment)
class AuditSegmentAdmin(ReadOnly):
    list_display = ("id", "organization__address", "number", "event_count", "sealed_at")
    ordering = ("-id",)
