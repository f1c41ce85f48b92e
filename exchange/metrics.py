"""`/metrics` for Prometheus: what waits, what lives, what is held, what is moving. Counts only, no names of people.

Asked of the database at each scrape, so that every process gives the same answer; only the figures of the process
itself are its own. For this machine alone, or for whoever holds METRICS_TOKEN.
"""

import hmac
import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

# name, help, labels, statement whose rows are the labels and the value
_GAUGES: Final[tuple[tuple[str, str, tuple[str, ...], str], ...]] = (
    (
        "exchange_jobs",
        "Jobs by event and state; done ones are kept for 30 days.",
        ("event", "state"),
        "SELECT event, state, count(*) FROM transfers_job GROUP BY event, state",
    ),
    (
        "exchange_job_lag_seconds",
        "How long the job that waits longest has been due, by event.",
        ("event",),
        """SELECT event, extract(epoch FROM now() - min(due_at)) FROM transfers_job
            WHERE state = 'waiting' AND due_at <= now() GROUP BY event""",
    ),
    (
        "exchange_job_running_seconds",
        "How long ago the oldest running job was due, by event.",
        ("event",),
        "SELECT event, extract(epoch FROM now() - min(due_at)) FROM transfers_job WHERE state = 'running' GROUP BY 1",
    ),
    (
        "exchange_transfers",
        "Transfers by state and reason.",
        ("state", "reason"),
        "SELECT state, reason, count(*) FROM transfers_transfer GROUP BY state, reason",
    ),
    (
        "exchange_purge_due",
        "Closed transfers whose time of destruction has come.",
        (),
        "SELECT count(*) FROM transfers_transfer WHERE state IN ('closed', 'rejected') AND purge_at <= now()",
    ),
    (
        "exchange_held_bytes",
        "Sealed bytes in the storage, by the organisation that sent them.",
        ("organization",),
        """SELECT o.address, coalesce(sum(t.stored_bytes), 0) FROM accounts_organization o
             LEFT JOIN transfers_transfer t ON t.sender_id = o.id AND t.state <> 'purged' GROUP BY o.address""",
    ),
    (
        "exchange_quota_bytes",
        "What an organisation may hold.",
        ("organization",),
        "SELECT address, max_bytes FROM accounts_organization",
    ),
    (
        "exchange_in_flight",
        "Pushes and pulls that are running.",
        ("kind",),
        """SELECT kind, count(*) FILTER (WHERE l.heartbeat_at > now() - interval '2 minutes')
             FROM unnest(ARRAY['push', 'pull']) AS kind LEFT JOIN transfers_lease l USING (kind) GROUP BY kind""",
    ),
    (
        "exchange_notices",
        "Mails by state.",
        ("state",),
        "SELECT state, count(*) FROM transfers_notification GROUP BY state",
    ),
    (
        "exchange_switch",
        "1 where a brake holds, an object is missing, a backup runs or maintenance is on.",
        ("name",),
        # What is no alarm is left out: the purge's own notes, and the hold of a backup that died a day ago.
        """SELECT name, coalesce(is_on AND (name <> 'purge-hold' OR since > now() - interval '1 day'), false)::int
             FROM unnest(ARRAY['purge-brake', 'storage-brake', 'object-missing', 'purge-hold', 'maintenance']) AS name
             LEFT JOIN transfers_switch USING (name)""",
    ),
)


class Rows(Collector):
    """The gauges of the table above."""

    def collect(self) -> Iterator[Metric]:
        for name, said, labels, statement in _GAUGES:
            family = GaugeMetricFamily(name, said, labels=labels)
            for *values, number in _fetch(statement):
                family.add_metric([str(value) for value in values], float(number))
            yield family


REGISTRY: Final = CollectorRegistry(auto_describe=False)
REGISTRY.register(Rows())
for own in (ProcessCollector, PlatformCollector, GCCollector):
    own(registry=REGISTRY)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    if not (_is_local(request) or _has_token(request)):
        return HttpResponse(
            "Send Authorization: Bearer with the token of METRICS_TOKEN.\n",
            status=401,
            content_type="text/plain",
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _is_local(request: HttpRequest) -> bool:
    """From this machine, and not through a proxy on it that hands the world in."""
    if "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _has_token(request: HttpRequest) -> bool:
    wanted = settings.METRICS_TOKEN
    scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return bool(wanted) and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), wanted.encode())


def _fetch(statement: str) -> Iterable[tuple[Any, ...]]:  # Any: columns as the database types them
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
