"""The embedded PostgreSQL and Valkey, as whoever runs the tests."""

import os
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from exchange import embedded, unprivileged
from exchange.refusals import StartError


@pytest.fixture(scope="module")
def postgres(database_server: str) -> embedded.Postgres:
    return embedded.Postgres(Path(os.environ["EXCHANGE_TEST_DATA"]), durable=False)


def test_database_answers_with_unicode_and_utc(database_server: str) -> None:
    with psycopg.connect(database_server) as connection:
        row = connection.execute("SELECT upper('müller'), current_setting('server_encoding')").fetchone()
    assert row == ("MÜLLER", "UTF8")


def test_wrong_password_is_refused(postgres: embedded.Postgres) -> None:
    address = postgres.url.replace(postgres.settings["PASSWORD"], "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(address)


def test_database_listens_on_no_network_port(database_server: str) -> None:
    with psycopg.connect(database_server) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_failed_statements_stay_out_of_the_log(database_server: str, postgres: embedded.Postgres) -> None:
    with psycopg.connect(database_server) as connection, pytest.raises(psycopg.Error):
        connection.execute("SELECT 'DOE^JANE'::int")
    assert "DOE^JANE" not in (postgres.data_dir / "postgres.log").read_text()


def test_durable_command_syncs_and_the_other_does_not(postgres: embedded.Postgres) -> None:
    assert "fsync=on" in embedded.Postgres(postgres.data_dir).command()
    assert "fsync=off" in postgres.command()


def test_password_and_folders_are_ours_alone(postgres: embedded.Postgres) -> None:
    assert _mode(postgres.password_file) == 0o600
    assert _mode(postgres.cluster) == 0o700
    assert _mode(Path(postgres.settings["HOST"])) == 0o700


def test_long_data_path_gets_a_short_private_socket_folder(tmp_path: Path) -> None:
    valkey = embedded.Valkey(tmp_path / ("x" * 90))
    valkey.prepare()
    assert len(str(valkey.socket)) < embedded.LONGEST_FOLDER + 20
    assert _mode(valkey.socket.parent) == 0o700
    again = embedded.Valkey(valkey.data_dir)
    again.prepare()
    assert again.socket == valkey.socket


def test_database_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(StartError, match=r"made by PostgreSQL 12, but this installation brings PostgreSQL \d+"):
        embedded.Postgres(tmp_path).prepare()


def test_folder_without_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    with pytest.raises(StartError, match="holds no PostgreSQL database"):
        embedded.Postgres(tmp_path).prepare()


def test_leftover_of_a_cut_off_start_is_swept(tmp_path: Path) -> None:
    (tmp_path / "postgres.new-abc" / "cluster").mkdir(parents=True)
    embedded.Postgres(tmp_path, durable=False).prepare()
    assert not list(tmp_path.glob("postgres.new-*"))
    assert (tmp_path / "postgres" / "PG_VERSION").is_file()


def test_parent_folders_keep_their_modes(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o700)
    embedded.Postgres(parent / "data", durable=False).prepare()
    assert _mode(parent) == 0o700


def test_root_never_runs_postgres_as_itself() -> None:
    assert all(account.prefix for account in unprivileged.candidates(euid=0))
    assert list(unprivileged.candidates(euid=1000)) == [unprivileged.Account()]


def test_cluster_of_another_user_is_refused(tmp_path: Path) -> None:
    theirs = Path("/")
    if os.geteuid() == 0:
        theirs = tmp_path
        os.chown(theirs, 12345, 12345)
    with pytest.raises(StartError, match="belongs to another user"):
        unprivileged.owner_of(theirs)


@pytest.mark.peers
def test_root_without_namespaces_runs_the_database_as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs root. Most containers are like this: user namespaces are closed in them."""
    nobody = list(unprivileged.candidates(euid=0))[-1]
    monkeypatch.setattr(unprivileged, "candidates", lambda **_: iter([nobody]))
    with tempfile.TemporaryDirectory() as folder:
        postgres = embedded.Postgres(Path(folder), durable=False)
        postgres.prepare()
        with subprocess.Popen(postgres.command(), stderr=subprocess.DEVNULL) as server:
            postgres.wait_ready()
            assert psutil.Process(server.pid).uids().effective == nobody.uid
            server.send_signal(signal.SIGQUIT)
        assert postgres.cluster.stat().st_uid == nobody.uid
        assert postgres.password_file.stat().st_uid == 0


def test_broker_answers_on_its_socket_only(broker: str) -> None:
    socket = embedded.Valkey(Path(os.environ["EXCHANGE_TEST_DATA"])).socket
    client = redis.Redis(unix_socket_path=str(socket))
    assert client.config_get("port") == {"port": "0"}
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    assert _mode(socket) == 0o600


def test_dump_program_comes_with_the_server() -> None:
    answer = subprocess.run([embedded.postgres_bin() / "pg_dump", "--version"], capture_output=True, text=True)
    assert answer.stdout.startswith("pg_dump (PostgreSQL)")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
