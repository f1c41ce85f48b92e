"""The directory of those a transfer can go to."""

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from accounts.models import Department, Organization
from exchange.api import answers, base, schema
from transfers import errors
from transfers.access.sending import find_places

MAX_QUERY = 100


class DirectoryView(base.View):
    @schema.operation(
        "directory_search",
        "Organisations and departments by name or address",
        "Whom a transfer can go to. An address goes into `recipients`, and into the URL of a push.",
        answer=answers.Places,
        fails=(400,),
        parameters=[OpenApiParameter("q", str, description="Part of a name or an address; empty for all.")],
    )
    def get(self, request: Request) -> HttpResponseBase:
        query = request.query_params.get("q", "").strip()
        if len(query) > MAX_QUERY:
            raise errors.InvalidField("q", f"Search for at most {MAX_QUERY} characters.")
        places = [_place(place) for place in find_places(query)]
        return base.respond(base.answer_with(answers.Places({"results": places})))


def _place(place: Organization | Department) -> dict[str, Any]:  # Any: the fields of a place
    if isinstance(place, Department):
        name = f"{place.organization.name}, {place.name}"
        phone = place.desk_phone or place.organization.desk_phone
        return {"kind": "department", "address": place.address, "name": name, "phone": phone}
    return {"kind": "organization", "address": place.address, "name": place.name, "phone": place.desk_phone}
