"""Every door of the exchange, one include each."""

from django.urls import URLPattern, URLResolver, path

from exchange import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
