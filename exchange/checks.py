"""Deployment mistakes, found by `manage.py check --deploy` before they cost data (docs/operations.md)."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Critical, Error, Tags, Warning, register
from django.db import DatabaseError, connection

DEPLOY = "deploy"
MINIMUM_POSTGRESQL = 170000
DURABLE = {"fsync": {"on"}, "full_page_writes": {"on"}, "synchronous_commit": {"on", "remote_apply", "remote_write"}}


@register(DEPLOY, deploy=True)
def check_secret_key(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    if settings.SECRET_KEY != settings.DEVELOPMENT_SECRET_KEY:
        return []
    return [Error("SECRET_KEY is the one everybody knows.", hint="Set SECRET_KEY_FILE.", id="exchange.E001")]


@register(DEPLOY, deploy=True)
def check_public_url(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    if urlsplit(settings.PUBLIC_URL).scheme == "https":
        return []
    hint = "Set PUBLIC_URL to the https address of the proxy; links, cookies and HSTS follow from it."
    return [Error("PUBLIC_URL is not an https address.", hint=hint, id="exchange.E002")]


@register(DEPLOY, deploy=True)
def check_keys_apart(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    """Keys beside the data go into the same backup, and then nothing is ever destroyed."""
    keys, storage = _folder(settings.EXCHANGE_KEYS), _folder(settings.STORAGE_URL)
    places = [place for place in (settings.DATA_DIR, storage) if place]
    if keys is None or not any(keys == place or place in keys.parents for place in places):
        return []
    hint = "Set EXCHANGE_KEYS to a place that backups of the data do not reach."
    return [Error("The keys lie within the data they seal.", hint=hint, id="exchange.E003")]


@register(DEPLOY, deploy=True)
def check_own_services(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if settings.IS_DATABASE_EMBEDDED:
        hint = "Set DATABASE_URL to a PostgreSQL that is backed up and watched."
        messages.append(Error("The database is the embedded one.", hint=hint, id="exchange.E004"))
    if settings.IS_BROKER_EMBEDDED:
        hint = "Set CELERY_BROKER_URL."
        messages.append(Warning("The broker is the embedded one.", hint=hint, id="exchange.W005"))
    return messages


@register(DEPLOY, deploy=True)
def check_lifetime(app_configs: Sequence[AppConfig] | None, **_: object) -> list[CheckMessage]:
    if settings.EXCHANGE_MIN_LIFETIME.total_seconds() >= 60:
        return []
    hint = "Unset EXCHANGE_MIN_LIFETIME; only a demo needs transfers of seconds."
    return [Warning("Transfers may live for less than a minute.", hint=hint, id="exchange.W006")]


@register(Tags.database, deploy=True)
def check_database(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: object
) -> list[CheckMessage]:
    """Asked with `check --deploy --database default`: a reply "stored" is only as durable as the server."""
    return list(_ask_server()) if databases else []


def _ask_server() -> Iterator[CheckMessage]:
    try:
        with connection.cursor() as cursor:
            version = _show(cursor.execute, cursor.fetchone, "server_version_num")
            found = {name: _show(cursor.execute, cursor.fetchone, name) for name in DURABLE}
    except DatabaseError:
        yield Critical("The database does not answer.", hint="Look at DATABASE_URL.", id="exchange.C007")
        return
    if int(version) < MINIMUM_POSTGRESQL:
        hint = "Version 17 is the oldest that is tested."
        yield Warning(f"PostgreSQL {int(version) // 10000} is old.", hint=hint, id="exchange.W008")
    for name, allowed in DURABLE.items():
        if found[name] not in allowed:
            hint = "A power cut would lose what was acknowledged."
            yield Error(f"PostgreSQL runs with {name} = {found[name]}.", hint=hint, id="exchange.E009")


def _show(execute: Callable[[str], object], fetch: Callable[[], tuple[str, ...]], name: str) -> str:
    execute(f"SHOW {name}")
    return fetch()[0]


def _folder(address: str) -> Path | None:
    parts = urlsplit(address)
    return Path(unquote(parts.path)).resolve() if parts.scheme == "file" else None
