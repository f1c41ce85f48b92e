"""What the principals of the audit trail are called, for people to read."""

from collections.abc import Iterable

from accounts.models import ApiKey, User

GONE = "somebody whose account is gone"


def of(idents: Iterable[str]) -> dict[str, str]:
    """The name of each person (`user:1`) and key (`key:dd02…`) among these, with the organisation; others are left out.

    A person of several organisations is named with the first.
    """
    kinds: dict[str, list[str]] = {"user": [], "key": []}
    for ident in set(idents):
        kind, _, row = ident.partition(":")
        if kind in kinds and row:
            kinds[kind].append(row)
    return {**_people(kinds["user"]), **_keys(kinds["key"])}


def _people(rows: list[str]) -> dict[str, str]:
    if not rows:
        return {}
    names = {f"user:{row}": GONE for row in rows}
    numbers = [row for row in rows if row.isdigit()]
    for user in User.objects.filter(pk__in=numbers).prefetch_related("memberships__organization"):
        first = min(user.memberships.all(), key=lambda membership: membership.pk, default=None)
        names[f"user:{user.pk}"] = _placed(user.get_full_name(), first.organization.name if first else "")
    return names


def _keys(rows: list[str]) -> dict[str, str]:
    if not rows:
        return {}
    found = ApiKey.objects.filter(public_id__in=rows).select_related("organization")
    names = {f"key:{key.public_id}": _placed(f"key “{key.name}”", key.organization.name) for key in found}
    return {f"key:{row}": "a key that is gone" for row in rows} | names


def _placed(name: str, organization: str) -> str:
    return f"{name}, {organization}" if organization else name
