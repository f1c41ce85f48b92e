"""The WSGI application that granian and gunicorn serve."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import resolve

from exchange import watchdog

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange.settings")
application = watchdog.watching(get_wsgi_application())
# Django imports the doors at the first request; whoever sends it would wait a third of a second for them.
resolve("/healthz")

from transfers import rendering  # noqa: E402 - once Django is set up

# So would whoever wants the first picture for the process that draws it.
rendering.make_ready()
