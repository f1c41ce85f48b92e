"""What docker/ promises, read from the files: nothing here starts a container."""

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
OURS = ("bucket", "prepare", "web", "web-bulk", "worker", "relay")
UNITS = sorted((DOCKER / "systemd").glob("*.service"))
TUNED = (  # docs/performance.md: each of these costs a quarter of the speed, or plaintext on a disk, when missing
    "proxy_request_buffering off",
    "client_body_buffer_size 1m",
    "proxy_buffer_size 256k",
    "proxy_buffers 8 512k",
    "proxy_busy_buffers_size 1m",
    "proxy_max_temp_file_size 0",
    "client_max_body_size 0",
)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:  # Any: YAML
    return dict(yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"])


@pytest.fixture(scope="module")
def dockerfile() -> list[str]:
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def nginx() -> str:
    return re.sub(r"\s+", " ", re.sub(r"^\s*#.*$", "", (DOCKER / "nginx.conf").read_text(), flags=re.M))


def test_image_runs_as_a_plain_user(dockerfile: list[str]) -> None:
    last_stage = dockerfile[max(i for i, line in enumerate(dockerfile) if line.startswith("FROM")) :]
    assert [line for line in last_stage if line.startswith("USER")] == ["USER 10001:10001"]
    assert not any(
        line.startswith(("RUN", "COPY", "ADD")) for line in last_stage[last_stage.index("USER 10001:10001") :]
    )


def test_image_installs_by_hash_and_holds_no_secret(dockerfile: list[str]) -> None:
    assert any("pip install" in line and "--require-hashes" in line for line in dockerfile)
    assert not any(re.search(r"SECRET|PASSWORD|_KEY=", line) for line in dockerfile)


def test_image_copies_what_exists_and_nothing_else(dockerfile: list[str]) -> None:
    copied = [line.split()[1] for line in dockerfile if line.startswith("COPY") and "--from" not in line]
    allowed = [line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"]
    assert sorted(copied) == sorted(allowed)
    assert all((ROOT / path).exists() for path in copied)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_locked_down(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in service


def test_only_the_proxy_is_reachable(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]


def test_every_service_that_is_waited_for_exists(services: dict[str, Any]) -> None:
    for service in services.values():
        assert set(service.get("depends_on", [])) <= set(services)


def test_every_variable_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))
    named = {line.partition("=")[0] for line in (DOCKER / ".env.example").read_text().splitlines() if line[0] != "#"}
    assert asked == named


def test_compose_takes_the_broker_with_quorum_queues(services: dict[str, Any]) -> None:
    assert services["worker"]["environment"]["CELERY_BROKER_URL"].startswith("amqp://")


@pytest.mark.parametrize("setting", TUNED)
def test_proxy_is_tuned(nginx: str, setting: str) -> None:
    assert f"{setting};" in nginx


def test_proxy_logs_no_path_no_query_and_no_token(nginx: str) -> None:
    log_format = re.search(r"log_format quiet (.*?);", nginx)
    assert log_format
    variables = set(re.findall(r"\$\w+", log_format[1]))
    assert variables.isdisjoint({"$request", "$request_uri", "$uri", "$args", "$query_string", "$http_referer"})
    assert re.findall(r"access_log ([^;]+);", nginx) == ["/dev/stdout quiet", "off"]
    assert re.findall(r"error_log ([^;]+);", nginx) == ["/dev/stderr crit"]


@pytest.mark.parametrize(
    ("request_line", "pool"),
    [
        ("POST /dicomweb/to/general-hospital/studies", "bulk"),
        ("GET /dicomweb/studies/1.2.3", "bulk"),
        ("GET /dicomweb/transfers/7f/studies/1.2.3/series/1.2.4/instances/1.2.5", "bulk"),
        ("GET /dicomweb/studies/1.2.3/series/1.2.4/instances/1.2.5/frames/1,2", "bulk"),
        ("GET /g/42/dicomweb/studies/1.2.3", "bulk"),
        ("GET /api/transfers/7f/download/", "bulk"),
        ("GET /dicomweb/studies", "small"),
        ("GET /dicomweb/studies/1.2.3/series", "small"),
        ("GET /dicomweb/studies/1.2.3/metadata", "small"),
        ("GET /dicomweb/studies/1.2.3/series/1.2.4/instances", "small"),
        ("GET /healthz", "small"),
        ("POST /api/transfers/", "small"),
    ],
)
def test_proxy_keeps_bulk_apart(nginx: str, request_line: str, pool: str) -> None:
    table = re.search(r'map "\$request_method \$uri" \$pool \{(.*?) \} upstream', nginx)
    assert table
    rules = re.findall(r'"~([^"]+)" (\w+);', table[1])
    assert next((name for pattern, name in rules if re.search(pattern, request_line)), "small") == pool


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_units_are_hardened(path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(path)
    service = unit["Service"]
    assert service["User"] == "waystation"
    assert service["NoNewPrivileges"] == service["ProtectHome"] == service["PrivateTmp"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""


def test_there_is_a_unit_for_each_process() -> None:
    assert [path.stem for path in UNITS] == ["waystation-relay", "waystation-web", "waystation-worker"]
