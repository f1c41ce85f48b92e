"""Every door of the exchange, one include each."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from exchange import health, metrics, oauth
from exchange.dicomweb import urls as dicomweb
from exchange.dicomweb import wado_uri
from exchange.portal import signing_in

handler400 = "exchange.fallbacks.bad_request"
handler403 = "exchange.fallbacks.forbidden"
handler404 = "exchange.fallbacks.not_found"
handler500 = "exchange.fallbacks.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("api/", include("exchange.api.urls")),
    path("dicomweb/", include("exchange.dicomweb.urls")),
    path("g/<int:grant_id>/dicomweb/", include((dicomweb.below_link, "dicomweb-link"))),
    path("wado", wado_uri.wado, name="wado"),
    path("oauth/token", oauth.token, name="oauth-token"),
    path("accounts/", include(signing_in)),
    path("admin/login/", signing_in.admin_login),
    path("admin/", admin.site.urls),
    # Browsers ask for it by themselves where a page names none, such as the admin's or a picture's.
    path("favicon.ico", RedirectView.as_view(url=static("portal/mark.svg"), permanent=True), name="favicon"),
    path("", include("exchange.portal.urls")),
]
