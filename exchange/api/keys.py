"""Keys of machines: listed without their secrets, made with the secret shown once, revoked at once.

An administrator keeps the keys of an organisation or department; any member makes keys for themselves, which can
do no more than the member and die with the account.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from accounts import audit, credentials
from accounts.models import ApiKey, Department, Organization, User
from accounts.principals import Place, Principal
from exchange.api import answers, base, schema, serializers
from exchange.api.authentication import caller
from transfers import access, errors
from transfers.access import Act
from transfers.addressing import Answer


class KeysView(base.View):
    @schema.operation(
        "keys_list",
        "The keys you keep, without their secrets",
        "An administrator sees those of the organisation, a person their own. Revoked ones are not listed.",
        answer=answers.Keys,
        fails=(403,),
    )
    def get(self, request: Request) -> HttpResponseBase:
        rows = kept_by(caller(request)).select_related("organization", "department").order_by("-created_at", "-id")
        return base.respond(base.answer_with(answers.Keys({"results": [_fields(row) for row in rows]})))

    @schema.operation(
        "keys_create",
        "Make a key; its secret is in this answer only",
        "`store` sends, `read` receives, `manage` administers; nobody gives more than they have. A key may be limited "
        "to a department or to one transfer. Repeated with its Idempotency-Key it makes no second one and is a 409: "
        "the secret is not kept.",
        answer=answers.NewKey,
        request=serializers.CreateKey,
        status=201,
        fails=(400, 403, 404, 409, 411, 413, 415, 503),
        headers=(schema.IDEMPOTENCY_KEY,),
    )
    def post(self, request: Request) -> HttpResponseBase:
        values = base.read(request, serializers.CreateKey)
        return base.once(request, lambda: _create(caller(request), values))


class KeyView(base.View):
    @schema.operation(
        "keys_revoke",
        "Revoke a key at once",
        "Tokens that were issued for it end with it.",
        answer=None,
        status=204,
        fails=(403, 404),
    )
    def delete(self, request: Request, public_id: str) -> HttpResponseBase:
        who = caller(request)
        key = kept_by(who).filter(public_id=public_id).first()
        if key is None:
            raise errors.NotFound
        with transaction.atomic():
            credentials.revoke_key(key)
            _audit(who, key, "key.revoke")
        return HttpResponse(status=204)


def kept_by(who: Principal) -> QuerySet[ApiKey]:
    """Keys in force that the caller administers, and the caller's own."""
    _ensure_keeper(who)
    kept = Q(organization_id__in=who.organizations("manage")) | Q(department_id__in=who.departments("manage"))
    if who.user_id is not None:
        kept |= Q(owner_id=who.user_id)
    return ApiKey.objects.filter(kept, revoked_at=None)


def _create(who: Principal, values: dict[str, Any]) -> Answer:  # Any: validated values by name
    place = _place(who, values.get("organization", ""), values.get("department", ""))
    manages = "manage" in place.scopes
    scopes = set(values["scopes"])
    if not manages and not scopes <= place.scopes:
        raise errors.InvalidField("scopes", f"You can give at most: {', '.join(sorted(place.scopes)) or 'nothing'}.")
    bound_to = ""
    if (transfer_id := values.get("transfer")) is not None:
        access.transfer_for(who, transfer_id, Act.READ)
        bound_to = f"transfer:{transfer_id}"
    with transaction.atomic():
        issued = credentials.issue_key(
            Organization.objects.get(pk=place.organization_id),
            name=values["name"],
            scopes=scopes,
            department=_department(place.department_id),
            owner=None if manages else User.objects.get(pk=who.user_id or 0),
            bound_to=bound_to,
            lifetime=timedelta(days=values.get("days", 365)),
        )
        _audit(who, issued.key, "key.create")
    answer = base.answer_with(answers.NewKey({**_fields(issued.key), "key": issued.secret}), status=201)
    return replace(answer, shown_once=True)


def _place(who: Principal, organization: str, department: str) -> Place:
    """Where the key is to be good: what the caller holds there, narrowed to the department named."""
    _ensure_keeper(who)
    ids = {place.organization_id for place in who.places}
    found = Organization.objects.filter(pk__in=ids, is_active=True)
    if organization:
        found = found.filter(address=organization.lower())
    if (count := found.count()) != 1:
        raise errors.InvalidField(
            "organization", "Name the one of your organisations that it is for." if count else "You are not a member."
        )
    held = [place for place in who.places if place.organization_id == found.get().pk]
    if not department:
        return next((place for place in held if "manage" in place.scopes), held[0])
    slug = department.lower().rpartition(".")[2]
    row = Department.objects.filter(organization__in=found, slug=slug, is_active=True).first()
    mine = [place for place in held if row is not None and place.department_id in (None, row.pk)]
    if row is None or not mine:
        raise errors.InvalidField("department", "There is no such department, or you hold no role there.")
    best = next((place for place in mine if "manage" in place.scopes), mine[0])
    return Place(best.organization_id, row.pk, best.scopes)


def _ensure_keeper(who: Principal) -> None:
    if who.bound_to or (who.user_id is None and not any("manage" in place.scopes for place in who.places)):
        raise errors.Forbidden(
            "Keys are kept by administrators, and by people for themselves: use a key that may manage, or sign in."
        )


def _department(department_id: int | None) -> Department | None:
    return None if department_id is None else Department.objects.get(pk=department_id)


def _fields(key: ApiKey) -> dict[str, Any]:  # Any: the fields of Key
    return {
        "id": key.public_id,
        "name": key.name,
        "scopes": key.scopes,
        "organization": key.organization.address,
        "department": key.department.slug if key.department else None,
        "transfer": key.bound_to.partition(":")[2] or None,
        "is_personal": key.owner_id is not None,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }


def _audit(who: Principal, key: ApiKey, action: str) -> None:
    audit.record(
        who,
        action,
        organization_id=key.organization_id,
        subject=f"key:{key.public_id}",
        detail={"scopes": key.scopes, "department": key.department_id, "bound_to": key.bound_to},
    )
