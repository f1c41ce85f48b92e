"""Close a person's account: sessions, keys, tokens and links end in one transaction, at once.

A closed account opens nothing by itself, for it is read at every request. What was given away under it is closed
here as well, and stays closed if the account is opened again.
"""

from collections.abc import Callable, Collection
from typing import cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from accounts import audit, credentials
from accounts.models import User
from accounts.principals import Principal


@transaction.atomic
def deactivate(user: User, *, who: Principal) -> None:
    """Close the account; repeated, it closes what was opened since."""
    User.objects.filter(pk=user.pk).update(is_active=False)
    user.is_active = False
    keys = list(user.keys.filter(revoked_at=None))
    for key in keys:
        credentials.revoke_key(key)
    idents = [f"user:{user.pk}", *(f"key:{key.public_id}" for key in user.keys.all())]
    detail = {"keys": len(keys), "sessions": end_sessions(user), "links": _close_links(idents)}
    audit.record(who, "user.deactivate", organization_id=None, subject=f"user:{user.pk}", detail=detail)


def end_sessions(user: User) -> int:
    """Sign the person out everywhere; live sessions are few, for an idle one ends after a quarter of an hour."""
    theirs = [
        session.pk
        for session in Session.objects.filter(expire_date__gt=Now()).iterator()
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    Session.objects.filter(pk__in=theirs).delete()
    return len(theirs)


def _close_links(idents: Collection[str]) -> int:
    """What a principal gave away belongs to transfers, which nothing here imports."""
    close = cast("Callable[[Collection[str]], int]", import_string(settings.LINKS_CLOSER))
    return close(idents)
