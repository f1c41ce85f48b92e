"""Signing in by e-mail and password (allauth): no sign-up, and no page that this exchange does not need."""

from typing import Any, Final

from allauth.account import views
from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, re_path, reverse

from accounts.models import User
from exchange import limits

# As in ACCOUNT_RATE_LIMITS: five wrong passwords for one account.
LOCKED_SECONDS: Final = 15 * 60
_LOCKED: Final = "too_many_login_attempts"


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]  # untyped library
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "The e-mail address or the password is not correct.",
        _LOCKED: (
            "Too many wrong passwords. Try again in 15 minutes, or have a link for a new password sent, which works at "
            "once. Where wrong passwords came from your whole network it can take an hour."
        ),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Accounts are made by administrators."""
        return False

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:  # Any: for a template
        hours = settings.PASSWORD_RESET_TIMEOUT // 3600
        super().send_password_reset_mail(user, email, {**context, "hours": hours})

    def get_client_ip(self, request: HttpRequest) -> str:
        return limits.address_of(request)


class LoginView(views.LoginView):  # type: ignore[misc]  # untyped library
    def form_invalid(self, form: Any) -> HttpResponseBase:  # Any: a form of the library
        """A try that was not even looked at is told to wait (RFC 6585 Section 4)."""
        response: HttpResponseBase = super().form_invalid(form)
        if form.has_error(NON_FIELD_ERRORS, _LOCKED):
            response.status_code = 429
            response["Retry-After"] = str(LOCKED_SECONDS)
        return response


def account_inactive(request: HttpRequest) -> HttpResponseBase:
    """Where a closed account is led that tries to sign in; who is signed in has none that is closed."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(reverse("portal:inbox"))
    response: HttpResponseBase = views.account_inactive(request)
    return response


def admin_login(request: HttpRequest) -> HttpResponseBase:
    """Operators sign in where everybody does, under the same limits; who may not is told so."""
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect_to_login(request.GET.get("next", reverse("admin:index")), reverse("account_login"))


# The names are those under which the library looks its pages up.
urlpatterns: list[URLPattern] = [
    path("login/", LoginView.as_view(), name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", account_inactive, name="account_inactive"),
    path("reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
    path("password/change/", views.password_change, name="account_change_password"),
    path("password/set/", views.password_set, name="account_set_password"),
    path("password/reset/", views.password_reset, name="account_reset_password"),
    path("password/reset/done/", views.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
]
