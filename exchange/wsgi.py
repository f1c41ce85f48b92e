"""The WSGI application that granian and gunicorn serve."""

import os

from django.core.wsgi import get_wsgi_application

from exchange import watchdog

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange.settings")
application = watchdog.watching(get_wsgi_application())
