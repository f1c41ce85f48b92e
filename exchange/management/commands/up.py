"""`manage.py up`: the whole exchange as one process tree, with its own database and broker where none is given."""

import http.client
import os
import shlex
import sys
from argparse import ArgumentParser
from pathlib import Path
from signal import Signals
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils.module_loading import import_string

from accounts.models import User
from exchange import embedded, refusals
from exchange.refusals import StartError
from exchange.supervisor import Program, Supervisor
from transfers import errors
from transfers.models import Transfer

MANAGE = (sys.executable, str(settings.BASE_DIR / "manage.py"))
WEB_WORKERS, WEB_THREADS = 2, 64  # a thread serves one push or pull for as long as it takes


class Command(BaseCommand):
    help = "Start database, broker, web, worker and relay; stop them in order on Ctrl-C."
    requires_system_checks: list[str] = []  # the database that a check would ask does not run yet

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--without", action="append", default=[], choices=["web", "worker", "relay"])
        parser.add_argument("--then", metavar="COMMAND", help="a management command to run once all is ready")
        parser.add_argument("--exit", action="store_true", help="stop after that command, with its exit code")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: as Django declares it
        try:
            code = self._run(without=options["without"], then=options["then"], leave=options["exit"])
        except StartError as error:
            raise CommandError(str(error)) from error
        except errors.ExchangeError as error:
            raise CommandError(error.sentence) from error
        except OSError as error:
            raise CommandError(f"{error.filename or settings.DATA_DIR}: {error.strerror}.") from error
        sys.exit(code)

    def _run(self, *, without: list[str], then: str | None, leave: bool) -> int:
        if not settings.DATA_DIR.exists():
            _check_place(without)  # before the folder is made: a start that is refused leaves nothing behind
        data = refusals.make_private(settings.DATA_DIR)
        lock = refusals.lock(data, report=self._report)
        _check_place(without)
        is_first = self._prepare_keys(data)
        environment = os.environ | {"EXCHANGE_DATA_DIR": str(data)}
        with Supervisor(
            log_dir=data / "log",
            lock=lock,
            report=self._report,
            folder=settings.BASE_DIR,
            environment=environment,
        ) as tree:
            self._start_services(tree, data)
            self._migrate(tree)
            for program in doors():
                if program.name not in without:
                    tree.start(program)
            if "web" not in without:
                self.stdout.write(f"READY {settings.PUBLIC_URL}")
                self.stdout.flush()
            code = tree.run(Program(name="then", command=(*MANAGE, *then.split())), shown=True) if then else 0
            if is_first and code and _is_empty():
                # A restore with the wrong keys: what sealed nothing must not be in the way of the right ones.
                (data / "keys.fingerprint").unlink()
            if not leave:
                self._tell_how_to_go_on(without)
                tree.serve()
                code = 0
            self._report("stopping")
        return code

    def _prepare_keys(self, data: Path) -> bool:
        """Make what there is not yet; whether this is the first start on these data."""
        first = not (data / "keys.fingerprint").exists()
        embedded.make_secret_key(data)
        refusals.check_keys(
            data,
            fingerprint=import_string(settings.KEYS_FINGERPRINT),
            are_ours=import_string(settings.KEYS_CHECK),
        )
        keys = urlsplit(settings.EXCHANGE_KEYS)
        if first and keys.scheme == "file":
            self._report(f"The keys are in {keys.path}: back that folder up, apart from the data.")
        return first

    def _start_services(self, tree: Supervisor, data: Path) -> None:
        if settings.IS_DATABASE_EMBEDDED:
            postgres = embedded.Postgres(data)
            postgres.prepare()
            if postgres.was_cut_off():
                self._report("The last start did not end in order. Recovering the database...")
            tree.start(database(postgres))
            connections.databases["default"].update(postgres.settings)
        if settings.IS_BROKER_EMBEDDED:
            valkey = embedded.Valkey(data)
            valkey.prepare()
            tree.start(broker(valkey))

    def _migrate(self, tree: Supervisor) -> None:
        """Migrate only if something is pending: a plain start is seconds faster."""
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        connections.close_all()
        if pending and tree.run(Program(name="migrate", command=(*MANAGE, "migrate", "--noinput"))):
            raise StartError(f"The database could not be migrated: {tree.log_dir / 'migrate.log'} tells why.")

    def _tell_how_to_go_on(self, without: list[str]) -> None:
        """Who has just started it for the first time has no account, and does not know where mail goes."""
        if not User.objects.exists():
            self._report(f"Nobody can sign in yet. In a second terminal: {_manage('createsuperuser')}")
            self._report(f"Then open {settings.PUBLIC_URL}/admin/, or try it with what {_manage('seed_demo')} prints.")
        connections.close_all()
        if settings.EMAIL_FILE_PATH:
            self._report(f"Mail is written into {settings.EMAIL_FILE_PATH}.")
        self._report("Serving. Ctrl-C stops it." if "web" not in without else "Running without web. Ctrl-C stops it.")

    def _report(self, sentence: str) -> None:
        self.stderr.write(sentence)
        self.stderr.flush()


def _check_place(without: list[str]) -> None:
    """Refuse a port that is taken, and a disk that is nearly full."""
    if "web" not in without:
        refusals.check_port(settings.EXCHANGE_HOST, settings.EXCHANGE_PORT)
    refusals.check_room(settings.DATA_DIR, leave_free=settings.EXCHANGE_LEAVE_FREE_MB * 2**20)


def _is_empty() -> bool:
    """Whether nothing was made yet; what cannot be told is not empty."""
    try:
        return not User.objects.exists() and not Transfer.objects.exists()
    except DatabaseError:
        return False
    finally:
        connections.close_all()


def _manage(command: str) -> str:
    """A management command as one has to type it: the same Python, the same data, and the same address."""
    data = settings.DATA_DIR
    own = "" if data == settings.BASE_DIR / "data" else f"EXCHANGE_DATA_DIR={shlex.quote(str(data))} "
    own += "" if settings.EXCHANGE_PORT == 8000 else f"EXCHANGE_PORT={settings.EXCHANGE_PORT} "
    return f"{own}{shlex.quote(sys.executable)} {shlex.quote(str(settings.BASE_DIR / 'manage.py'))} {command}"


def database(postgres: embedded.Postgres) -> Program:
    return Program(
        name="postgres",
        command=postgres.command(),
        stop_signal=Signals.SIGINT,  # PostgreSQL's fast shutdown: end sessions, write a checkpoint
        stop_seconds=20,
        orphan_signal=Signals.SIGQUIT,  # its own processes lead groups of their own; SIGQUIT takes them along
        is_ready=postgres.is_ready,
    )


def broker(valkey: embedded.Valkey) -> Program:
    return Program(name="valkey", command=valkey.command(), orphan_signal=Signals.SIGTERM, is_ready=valkey.is_ready)


def doors() -> list[Program]:
    """What uses the database, in the order of starting; stopping goes the other way round."""
    options = ("--pool=prefork", "--concurrency=2", "--prefetch-multiplier=1", "--loglevel=WARNING")
    # Validating is patient: it must not make a push or a pull wait for the processor.
    worker = (
        "nice",
        "-n",
        "10",
        sys.executable,
        "-m",
        "celery",
        "-A",
        "exchange",
        "worker",
        "--without-mingle",
        "--without-gossip",
    )
    return [
        Program(name="worker", command=(*worker, *options), stop_seconds=15),
        Program(name="relay", command=(*MANAGE, "relay"), stop_seconds=5),
        Program(name="web", command=web(), stop_seconds=15, is_ready=_is_answering),
    ]


def web() -> tuple[str, ...]:
    place = (f"--host={settings.EXCHANGE_HOST}", f"--port={settings.EXCHANGE_PORT}", "--interface=wsgi", "--http=1")
    size = (f"--workers={WEB_WORKERS}", f"--blocking-threads={WEB_THREADS}", "--respawn-failed-workers", "--no-ws")
    # A connection for each thread at most: a long download holds one and must not starve the others.
    pool = ("env", f"DATABASE_POOL_SIZE={WEB_THREADS}")
    server = (sys.executable, "-m", "granian", *place, *size, "--workers-kill-timeout=10")
    return (*pool, *server, "exchange.wsgi:application")


def _is_answering() -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.EXCHANGE_HOST, settings.EXCHANGE_HOST)  # noqa: S104
    web_server = http.client.HTTPConnection(host, settings.EXCHANGE_PORT, timeout=5)
    try:
        web_server.request("GET", "/healthz", headers={"Host": settings.PUBLIC_HOST})
        return web_server.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        web_server.close()
