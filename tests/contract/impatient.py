"""The application under a watchdog that has seconds where the real one has a minute."""

from exchange import watchdog

# Before the application is loaded: whoever reads a body asks for these.
watchdog.SECONDS, watchdog.BYTES = 3.0, 3_000  # type: ignore[misc]

from django.core.wsgi import get_wsgi_application  # noqa: E402

_dog = watchdog.Watchdog(seconds=3.0, least=3_000, every=0.3)
application = watchdog.watching(get_wsgi_application(), _dog)
