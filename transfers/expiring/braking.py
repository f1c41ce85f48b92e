"""The brake: what destroys stops, with an alarm, when a clock or a count looks wrong.

Nothing that was destroyed comes back, and everything that was not can be destroyed a day later. So purging stops
until an operator confirms (`manage.py purge confirm`) when the clocks of host and database differ, and when a
mass of transfers falls due at once; after a stop of more than a day it starts an hour late, so that whoever
starts the exchange again can still extend. While a backup or maintenance runs it waits.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import connection

from accounts import audit
from accounts.principals import Principal, system
from transfers import transitions
from transfers.expiring import clock
from transfers.models import Switch

MAX_CLOCK_DIFFERENCE: Final = timedelta(minutes=5)
MASS: Final = 50
MASS_SHARE: Final = 0.2
LONG_STOP: Final = timedelta(days=1)
LATE_START: Final = timedelta(hours=1)
# A backup that died must not keep purging on hold for ever.
LONGEST_HOLD: Final = timedelta(hours=24)

BRAKE: Final = "purge-brake"
STORAGE_BRAKE: Final = "storage-brake"
CONFIRMED: Final = "purge-confirmed"
STORAGE_CONFIRMED: Final = "storage-confirmed"
HEARTBEAT: Final = "purge-heartbeat"
LATE: Final = "purge-late"
HOLD: Final = "purge-hold"
MAINTENANCE: Final = "maintenance"


@dataclass(frozen=True, slots=True)
class Load:
    """How many transfers would be destroyed now, of how many that exist."""

    due: int
    existing: int

    @property
    def is_mass(self) -> bool:
        return self.due >= MASS and self.due >= MASS_SHARE * self.existing


def may_purge(load: Load) -> bool:
    """Whether purging may go on; puts the brake on where it may not. `load` counts what is not confirmed."""
    late = _beat()
    if is_held() or late or is_on(BRAKE):
        return False
    difference = abs(clock.host_now() - clock.now())
    if difference >= MAX_CLOCK_DIFFERENCE:
        minutes = int(difference.total_seconds() // 60)
        pull(BRAKE, f"The clocks of host and database differ by {minutes} minutes.")
        return False
    if load.is_mass:
        pull(BRAKE, f"{load.due} of {load.existing} transfers fall due at once.")
        return False
    return True


def is_held() -> bool:
    """Whether a backup or maintenance asks everything that destroys to wait."""
    return is_on(MAINTENANCE) or _is_on_since(HOLD, LONGEST_HOLD)


def is_on(name: str) -> bool:
    return Switch.objects.filter(pk=name, is_on=True).exists()


def pull(name: str, note: str) -> None:
    """Put a brake on and raise its alarm, once."""
    if _set(name, is_on=True, note=note):
        transitions.enqueue("alarm", name)
        audit.record(system("expiry"), f"{name}.on", organization_id=None, detail={"why": note})


def confirm(who: Principal) -> list[str]:
    """Release the brakes, and let through what they stopped; returns what each had to say."""
    notes = []
    for brake, confirmed in ((BRAKE, CONFIRMED), (STORAGE_BRAKE, STORAGE_CONFIRMED)):
        switch = Switch.objects.filter(pk=brake, is_on=True).first()
        if switch is not None:
            notes.append(switch.note)
            _set(brake, is_on=False, note=switch.note)
            _set(confirmed, is_on=True, note=switch.note)
            audit.record(who, f"{brake}.confirm", organization_id=None, detail={"why": switch.note})
    return notes


def hold(note: str) -> None:
    """Ask everything that destroys to wait, for at most a day."""
    _set(HOLD, is_on=True, note=note)


def let_go() -> None:
    _set(HOLD, is_on=False)


def switch_off(name: str) -> None:
    _set(name, is_on=False)


def switch_on(name: str, note: str = "") -> None:
    _set(name, is_on=True, note=note)


def start_late() -> None:
    """Let purging start in an hour."""
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT_LATER, [LATE, LATE_START.total_seconds()])


def _beat() -> bool:
    """Write down that purging runs; true while it has to start late."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT since < now() - make_interval(secs => %s) FROM transfers_switch WHERE name = %s FOR UPDATE",
            [LONG_STOP.total_seconds(), HEARTBEAT],
        )
        if cursor.fetchone() == (True,):
            start_late()
        cursor.execute(_UPSERT_LATER, [HEARTBEAT, 0])
        cursor.execute("SELECT 1 FROM transfers_switch WHERE name = %s AND since > now()", [LATE])
        return cursor.fetchone() is not None


_UPSERT_LATER = """
    INSERT INTO transfers_switch (name, is_on, note, since) VALUES (%s, true, '', now() + make_interval(secs => %s))
    ON CONFLICT (name) DO UPDATE SET since = excluded.since
"""


def _set(name: str, *, is_on: bool, note: str = "") -> bool:
    """Set a switch; tells whether that changed it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO transfers_switch AS s (name, is_on, note, since) VALUES (%s, %s, %s, now())
            ON CONFLICT (name) DO UPDATE SET is_on = excluded.is_on, note = excluded.note, since = excluded.since
            WHERE s.is_on <> excluded.is_on OR excluded.name = ANY(%s)
            RETURNING 1
            """,
            [name, is_on, note, [HOLD, CONFIRMED, STORAGE_CONFIRMED]],
        )
        return cursor.fetchone() is not None


def _is_on_since(name: str, age: timedelta) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM transfers_switch WHERE name = %s AND is_on AND since > now() - make_interval(secs => %s)",
            [name, age.total_seconds()],
        )
        return cursor.fetchone() is not None
