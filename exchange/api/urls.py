"""The routes of the JSON API, below /api/."""

from django.urls import URLPattern, path

from exchange.api import acts, documentation
from exchange.api.directory import DirectoryView
from exchange.api.disclosures import DisclosuresView
from exchange.api.documents import DocumentsView
from exchange.api.downloads import DownloadView
from exchange.api.keys import KeysView, KeyView
from exchange.api.transfers import TransfersView, TransferView

app_name = "api"
urlpatterns: list[URLPattern] = [
    path("transfers/", TransfersView.as_view(), name="transfers"),
    path("transfers/<uuid:transfer_id>/", TransferView.as_view(), name="transfer"),
    *acts.urlpatterns(),
    path("transfers/<uuid:transfer_id>/documents/", DocumentsView.as_view(), name="transfer-documents"),
    path("transfers/<uuid:transfer_id>/download/", DownloadView.as_view(), name="transfer-download"),
    path("directory/", DirectoryView.as_view(), name="directory"),
    path("keys/", KeysView.as_view(), name="keys"),
    path("keys/<slug:public_id>/", KeyView.as_view(), name="key"),
    path("disclosures/search/", DisclosuresView.as_view(), name="disclosures-search"),
    path("schema/", documentation.SchemaView.as_view(), name="schema"),
    path("docs/", documentation.DocsView.as_view(), name="docs"),
]
