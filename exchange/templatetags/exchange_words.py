"""Filters of the pages: moments nobody misreads, sizes, and the words for states."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from exchange.portal import words

register = template.Library()


@register.filter
def moment(at: datetime | None, zone: str = "UTC") -> SafeString | str:
    """`Thursday 24 December 2026, 04:07 UTC (05:07 Europe/Berlin)`: UTC always, the reader's zone if it is known."""
    if at is None:
        return ""
    utc = at.astimezone(UTC)
    text = f"{utc:%A} {utc.day} {utc:%B %Y, %H:%M} UTC"
    return format_html('<time datetime="{}">{}{}</time>', utc.isoformat(timespec="seconds"), text, _local(at, zone))


@register.filter
def short_moment(at: datetime | None, zone: str = "UTC") -> SafeString | str:
    """For tables: `24 Dec 2026, 05:07`, in the reader's zone, which the page names once."""
    if at is None:
        return ""
    local = at.astimezone(zone_of(zone))
    return format_html(
        '<time datetime="{}">{} {}</time>',
        at.astimezone(UTC).isoformat(timespec="seconds"),
        local.day,
        f"{local:%b %Y, %H:%M}",
    )


@register.filter
def day(on: date | None) -> str:
    """`4 July 1960`: a date of the images, which has no time zone."""
    return "" if on is None else f"{on.day} {on:%B} {on.year}"


@register.filter
def size(count: int) -> str:
    """`28 kB`, in powers of ten as file managers and networks count."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit in ("bytes", "kB") or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


@register.filter
def said(value: str, table: str) -> str:
    """The words for a value: `{{ view.state|said:"STATES" }}`."""
    found: dict[str, str] = getattr(words, table)
    return found.get(value, value)


@register.filter
def of(table: Mapping[Any, Any], key: Any) -> Any:  # Any: what a template shows, by number or id
    """What a table says under a number: `{{ pulled|of:one.id }}`."""
    return table.get(key, "")


@register.filter
def dialled(phone: str) -> str:
    """A number for a tel: address (RFC 3966): digits, and a plus in front."""
    digits = "".join(character for character in phone if character.isdigit())
    return f"+{digits}" if phone.strip().startswith("+") else digits


def _local(at: datetime, zone: str) -> str:
    found = zone_of(zone)
    if found.key == "UTC":
        return ""
    local, utc = at.astimezone(found), at.astimezone(UTC)
    day = "" if local.date() == utc.date() else f"{local:%A} {local.day} {local:%B}, "
    return f" ({day}{local:%H:%M} {found.key})"


def zone_of(zone: str) -> ZoneInfo:
    """The zone of a reader; UTC where it is none that we know."""
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        return ZoneInfo("UTC")
