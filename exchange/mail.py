"""EMAIL_URL: where mail goes, as one address."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_BACKENDS = "django.core.mail.backends"
_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Transport:
    """What Django's EMAIL_* settings need."""

    backend: str
    folder: str = ""
    host: str = ""
    port: int = 25
    user: str = ""
    password: str = field(default="", repr=False)
    starts_tls: bool = False
    is_tls: bool = False


def transport(url: str) -> Transport:
    """Read `file:///dir`, `console:`, `smtp://`, `smtp+tls://` or `smtps://[user:password@]host[:port]`.

    Raises ValueError for anything else: mail that goes nowhere must be noticed at the start.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return Transport("exchange.letterbox.Folder", folder=unquote(parts.path))
    if parts.scheme == "console":
        return Transport(f"{_BACKENDS}.console.EmailBackend")
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("EMAIL_URL must be file:///dir, console:, smtp://, smtp+tls:// or smtps://host.")
    return Transport(
        f"{_BACKENDS}.smtp.EmailBackend",
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starts_tls=parts.scheme == "smtp+tls",
        is_tls=parts.scheme == "smtps",
    )
