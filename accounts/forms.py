"""The forms of the admin for organisations, people and agreements: what each field means, in which unit.

What is not built yet (DIMSE) has columns and no field here.
"""

import zoneinfo
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.forms import AdminPasswordChangeForm, BaseUserCreationForm, UserChangeForm

from accounts.models import ApiKey, Department, Membership, Organization, Partnership, User

if TYPE_CHECKING:  # generic for the type checker alone
    OrganizationBase = forms.ModelForm[Organization]
    DepartmentBase = forms.ModelForm[Department]
    PartnershipBase = forms.ModelForm[Partnership]
    MembershipBase = forms.ModelForm[Membership]
    NewUser = BaseUserCreationForm[User]
    ChangedUser = UserChangeForm[User]
    ChangedPassword = AdminPasswordChangeForm[User]
    KeyBase = forms.ModelForm[ApiKey]
else:
    OrganizationBase = DepartmentBase = PartnershipBase = MembershipBase = KeyBase = forms.ModelForm
    NewUser, ChangedUser, ChangedPassword = BaseUserCreationForm, UserChangeForm, AdminPasswordChangeForm

_PHONE: Final = "Where people are called back. It stands in mails and on the pages of links."
_MAIL: Final = "Where notices go. Empty: to the people who may receive there."
_TIME_ZONE: Final = "In which times are written in mails to it."
_OWN_TIME_ZONE: Final = "In which times are written on the pages this person sees, and in mails to them."
# The rest of the database are older names for the same clocks, and such as `localtime`, which means each machine's own.
_AREAS: Final = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"),
)
_FOREIGN: Final = "It is not a department of this organisation."


@cache
def _time_zones() -> tuple[tuple[str, str], ...]:
    """UTC, then places; of several names of one place the present one, where the system has the list of them."""
    places = {name for name in available_timezones() if name.split("/")[0] in _AREAS and "/" in name}
    return tuple((name, name) for name in ("UTC", *sorted(places & _present_names() or places)))


def _present_names() -> set[str]:
    """What the time zone database lists by country, in its `zone.tab`; empty where there is none."""
    lists = (Path(folder, "zone.tab") for folder in zoneinfo.TZPATH)
    found = next((file for file in lists if file.is_file()), None)
    lines = found.read_text(encoding="utf-8").splitlines() if found else []
    return {line.split("\t")[2] for line in lines if line.count("\t") >= 2 and not line.startswith("#")}


class TimeZoneField(forms.ChoiceField):
    def __init__(self, **options: Any) -> None:  # Any: options of the field
        super().__init__(choices=_time_zones, initial="UTC", **options)


def _keep_time_zone(form: "forms.ModelForm[Any]") -> None:  # Any: an organisation or a person
    """An older name that a row holds stays a choice of it, so that saving changes nothing."""
    field, held = form.fields["time_zone"], form.instance.time_zone
    assert isinstance(field, TimeZoneField)
    if held not in dict(_time_zones()):
        field.choices = [(held, held), *_time_zones()]


class OrganizationForm(OrganizationBase):
    time_zone = TimeZoneField(help_text=_TIME_ZONE)

    class Meta:
        model = Organization
        fields = "__all__"
        labels = {
            "oid": "OID",
            "patient_id_issuer": "Issuer of patient IDs",
            "accession_issuer": "Issuer of accession numbers",
            "desk_phone": "Phone of the desk",
            "notify_email": "Mail address of the desk",
            "max_bytes": "Bytes at most",
            "max_instances": "Instances at most",
            "max_open_transfers": "Open transfers at most",
            "retention_days": "Days available, usually",
            "retention_ceiling_days": "Days available, at most",
            "grace_days": "Days of grace",
            "close_when_fulfilled": "Close when everybody has it",
            "quiet_stow_seconds": "Seconds of quiet after a push",
            "quiet_cut_seconds": "Seconds of quiet after a push that broke off",
        }
        help_texts = {
            "address": "What senders put into a URL, such as general-hospital. They know it: leave it as it is.",
            "oid": "The object identifier of the organisation, if it has one.",
            "patient_id_issuer": "Who gave the patient IDs of images that name no issuer. Empty: this organisation.",
            "accession_issuer": "The same for accession numbers.",
            "desk_phone": _PHONE,
            "notify_email": _MAIL,
            "is_active": "Without it nobody sends to or from it, and its keys open nothing.",
            "max_bytes": "Sealed bytes of what it has sent; 536870912000 are 500 GiB. Beyond it a push is refused.",
            "max_instances": "Of what it has sent and what is not destroyed yet.",
            "max_open_transfers": "Transfers that it has sent and that are not over.",
            "retention_days": "How long a transfer can be fetched if its sender names no end.",
            "retention_ceiling_days": "How far a sender may put that end; 180 days at most.",
            "grace_days": "Days between the end of a transfer and its destruction, in which it can be opened again.",
            "close_when_fulfilled": "Close a transfer as soon as every recipient has confirmed or declined it.",
            "quiet_stow_seconds": "A push is complete after so long without a byte, if nobody says so before.",
            "quiet_cut_seconds": "The same where the last push was cut off: its sender may come again.",
        }

    def __init__(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        super().__init__(*args, **options)
        _keep_time_zone(self)

    def clean_allowed_origins(self) -> list[str]:
        """An empty field is an empty list."""
        return self.cleaned_data["allowed_origins"] or []


class DepartmentForm(DepartmentBase):
    class Meta:
        model = Department
        fields = "__all__"
        labels = {"slug": "Short name", "desk_phone": "Phone of the desk", "notify_email": "Mail address of the desk"}
        help_texts = {
            "slug": "The second part of its address: radiology in general-hospital.radiology.",
            "desk_phone": _PHONE,
            "notify_email": _MAIL,
            "is_active": "Without it nothing can be sent to it.",
        }


class PartnershipForm(PartnershipBase):
    class Meta:
        model = Partnership
        fields = ("sender", "recipient", "state", "auto_accept", "expires_at", "retention_days")
        labels = {
            "auto_accept": "Without asking",
            "expires_at": "Good until",
            "retention_days": "Days available, usually",
        }
        help_texts = {
            "sender": "One agreement for each direction.",
            "state": "Only an accepted one counts. Without one, what is sent waits until the recipient accepts it.",
            "auto_accept": "What is sent can be fetched at once. Otherwise the recipient accepts each transfer.",
            "expires_at": "UTC. Empty: for good.",
            "retention_days": "For what is sent under this agreement. Empty: as the sender has it.",
        }


class MembershipForm(MembershipBase):
    class Meta:
        model = Membership
        fields = ("user", "organization", "department", "may_send", "may_receive", "may_administer")
        labels = {"user": "Person"}
        help_texts = {
            "department": "One of this organisation. Empty: the organisation with all its departments.",
            "may_send": "Send for it, and see what it has sent.",
            "may_receive": "See and fetch what was sent to it.",
            "may_administer": "See what it has sent, make its keys, and ask who got a patient's studies.",
        }

    def clean(self) -> dict[str, Any]:  # Any: cleaned values by name
        values: dict[str, Any] = super().clean() or {}  # Any: as above
        refuse_foreign(self, values)
        if not self.errors and not any(values.get(role) for role in ("may_send", "may_receive", "may_administer")):
            raise forms.ValidationError("Choose what this person may do there.")
        return values


class NewPersonForm(NewUser):
    time_zone = TimeZoneField(help_text=_OWN_TIME_ZONE)

    class Meta:
        model = User
        fields = ("email", "name", "time_zone")
        help_texts = {
            "email": "With it the person signs in. Next, make a membership: without one they see only what was sent to "
            "them by name.",
            "name": "As others read it.",
        }

    def clean_email(self) -> str:
        """In one spelling, as the sign-in looks it up."""
        return str(self.cleaned_data["email"]).lower()


class PersonForm(ChangedUser):
    time_zone = TimeZoneField(help_text=_OWN_TIME_ZONE)

    class Meta:
        model = User
        fields = ("email", "name", "time_zone", "is_active", "is_staff", "is_superuser", "password")
        labels = {"is_staff": "Sees these pages", "is_superuser": "May change everything here"}
        help_texts = {
            "is_active": "To clear it ends their sessions, keys and links at once.",
            "is_staff": "For operators of the exchange alone; an organisation's administrators have memberships.",
            "is_superuser": "For operators of the exchange alone.",
        }

    def __init__(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        super().__init__(*args, **options)
        _keep_time_zone(self)

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class PasswordForm(ChangedPassword):
    usable_password_help_text = "Without a password they cannot sign in."  # noqa: S105 - a sentence


def refuse_foreign(form: forms.BaseForm, values: dict[str, Any]) -> None:  # Any: cleaned values by name
    """A department must belong to the organisation beside it."""
    organization, department = values.get("organization"), values.get("department")
    if department and organization and department.organization_id != organization.pk:
        form.add_error("department", _FOREIGN)
