"""The admin of API keys: made, shown once, revoked; never changed."""

from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts import credentials
from accounts.administration import NamedChoice, ReadOnly
from accounts.forms import KeyBase, refuse_foreign
from accounts.models import ApiKey, Department, Organization, User
from accounts.principals import Scope

SCOPES: Final[dict[Scope, str]] = {
    "store": "store: sends for the organisation, and follows what it has sent",
    "read": "read: searches and fetches what was sent to the organisation",
    "manage": "manage: administers it - keys, what it has sent, and who got a patient's studies",
}


class _NewKey(KeyBase):
    organization = NamedChoice(Organization.objects.filter(is_active=True), label="Organisation")
    department = NamedChoice(
        Department.objects.filter(is_active=True).select_related("organization"),
        required=False,
        help_text="One of this organisation, to which the key is limited. Empty: all of the organisation.",
    )
    owner = NamedChoice(
        User.objects.filter(is_active=True).order_by("email"),
        required=False,
        help_text="A person with whom the key dies; none for a site.",
    )
    scopes = forms.MultipleChoiceField(
        choices=list(SCOPES.items()), widget=forms.CheckboxSelectMultiple, label="What it may do"
    )
    days = forms.IntegerField(
        min_value=1, max_value=365, initial=365, help_text="How long it is good for; 365 at most."
    )
    form_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4, required=False)

    class Meta:
        model = ApiKey
        fields = ("name", "organization", "department", "owner", "scopes")
        help_texts = {"name": "The machine or program that will use it."}

    def clean(self) -> dict[str, Any]:  # Any: cleaned values by name
        values: dict[str, Any] = super().clean() or {}  # Any: as above
        refuse_foreign(self, values)
        if not values.get("form_id"):
            raise forms.ValidationError("This form came without its number. Open the page to add a key anew.")
        return values


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    """Keys are made and revoked, never changed; the secret is on one page, once."""

    list_display = ("name", "public_id", "organization__address", "scopes", "expires_at", "revoked_at", "last_used_at")
    search_fields = ("public_id", "name", "organization__address", "owner__email")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # Any: Django's own signature
        return bool(request.user.has_perm("accounts.add_apikey"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        return super().get_form(request, obj, change, **options) if obj else _NewKey

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:  # Any: Django's own signature
        return super().get_fields(request, obj) if obj else [*_NewKey.Meta.fields, "days", "form_id"]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:  # Any: as above
        """A form makes one key: a page that is loaded again sends it again, and is told so."""
        if request.method != "POST" or not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        if (made := self._made_by(request)) is not None:
            return self._refuse_again(request, made)
        try:
            return super().add_view(request, form_url, extra_context)
        except IntegrityError:  # both were on their way at once
            made = self._made_by(request)
            if made is None:
                raise
            return self._refuse_again(request, made)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:  # Any: Django's signature
        values = form.cleaned_data
        issued = credentials.issue_key(
            values["organization"],
            name=values["name"],
            scopes=values["scopes"],
            department=values["department"],
            owner=values["owner"],
            lifetime=timedelta(days=values["days"]),
            public_id=_key_id(request),
        )
        obj.pk, obj.public_id = issued.key.pk, issued.key.public_id
        request.META["exchange.secret"] = issued.secret

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Show the secret in this very answer: a redirect would have to keep it somewhere."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Key {obj.public_id}",
            "opts": self.opts,
            "secret": request.META.pop("exchange.secret"),
        }
        return TemplateResponse(request, "admin/key_issued.html", context, headers={"Cache-Control": "no-store"})

    def _made_by(self, request: HttpRequest) -> ApiKey | None:
        return ApiKey.objects.filter(public_id=_key_id(request)).first()

    def _refuse_again(self, request: HttpRequest, made: ApiKey) -> HttpResponse:
        sentence = (
            "That form has made this key already, and makes no second one. The secret was shown once: if that of"
            f" {made.public_id} is lost, revoke the key and add another."
        )
        self.message_user(request, sentence, messages.WARNING)
        return HttpResponseRedirect(reverse("admin:accounts_apikey_change", args=[made.pk]))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.change_apikey"))

    @admin.action(description="Revoke at once", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        keys = list(queryset.filter(revoked_at=None))
        for key in keys:
            credentials.revoke_key(key)
            self.log_change(request, key, [{"changed": {"fields": ["revoked_at"]}}])
        self.message_user(request, f"{len(keys)} revoked.", messages.SUCCESS)


def _key_id(request: HttpRequest) -> str:
    assert isinstance(request.user, User)
    return credentials.key_id_for(request.user, request.POST.get("form_id", ""))
