"""The directory of those a transfer can go to."""

from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from accounts.models import Department, Organization
from exchange.api import answers, base, schema, serializers
from transfers.access.sending import find_places


class DirectoryView(base.View):
    @schema.operation(
        "directory_search",
        "Organisations and departments by name or address",
        "Whom a transfer can go to. An address goes into `recipients`, and into the URL of a push.",
        answer=answers.Places,
        fails=(400,),
        parameters=[serializers.SearchDirectory],
    )
    def get(self, request: Request) -> HttpResponseBase:
        query = base.asked(request, serializers.SearchDirectory)["q"]
        places = [_place(place) for place in find_places(query)]
        return base.respond(base.answer_with(answers.Places({"results": places})))


def _place(place: Organization | Department) -> dict[str, Any]:  # Any: the fields of a place
    if isinstance(place, Department):
        name = f"{place.organization.name}, {place.name}"
        phone = place.desk_phone or place.organization.desk_phone
        return {"kind": "department", "address": place.address, "name": name, "phone": phone}
    return {"kind": "organization", "address": place.address, "name": place.name, "phone": place.desk_phone}
