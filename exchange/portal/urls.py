"""Pages for people: a signed-in person's own, and those of a link."""

from django.urls import URLPattern, path

from exchange.portal import links, people

app_name = "portal"
urlpatterns: list[URLPattern] = [
    path("", people.inbox, name="inbox"),
    path("sent/", people.sent, name="sent"),
    path("transfers/<uuid:transfer_id>/", people.transfer, name="transfer"),
    path("transfers/<uuid:transfer_id>/download/", people.download, name="download"),
    path("transfers/<uuid:transfer_id>/documents/<int:document_id>/", people.document, name="document"),
    path("transfers/<uuid:transfer_id>/<slug:name>/", people.act, name="act"),
    path("s/<str:token>/", links.landing, name="link"),
    path("g/<int:grant_id>/", links.grant, name="grant"),
    path("g/<int:grant_id>/download/", links.download, name="grant-download"),
    path("g/<int:grant_id>/documents/<int:document_id>/", links.document, name="grant-document"),
    path("g/<int:grant_id>/leave/", links.leave, name="grant-leave"),
]
