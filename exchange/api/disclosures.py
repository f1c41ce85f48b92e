"""Who got this patient's studies? Asked in a body, for identifiers in a query string end up in logs."""

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from exchange.api import answers, base, schema, serializers
from exchange.api.authentication import caller
from transfers import expiring


class DisclosuresView(base.View):
    @schema.operation(
        "disclosures_search",
        "Everyone who was sent a patient's studies by your organisation",
        "For administrators, long after the transfers are gone. Asked in a body, for a query string ends up in logs.",
        answer=answers.Disclosures,
        request=serializers.SearchDisclosures,
        fails=(400, 403, 411, 413, 415),
    )
    def post(self, request: Request) -> HttpResponseBase:
        asked = base.read(request, serializers.SearchDisclosures)
        found = expiring.search_disclosures(caller(request), **asked)
        return base.respond(base.answer_with(answers.Disclosures({"results": found})))
