from __future__ import annotations

import ipaddress
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from api.auth import keys_required
from jobs.settings import WORKER_KINDS
from tests.docker.files import DOCKER, read_yaml, settings_in

(COMPOSE,) = read_yaml(DOCKER / "compose.yaml")
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("migrate", "api", "worker", "synthesize")
SERVERS = ("postgres", "redis", "garage")


def seconds(duration: str) -> int:
    assert duration.endswith("s"), duration
    return int(duration[:-1])


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder that secrets.sh makes, beside a copy of it."""
    shutil.copy(DOCKER / "secrets.sh", tmp_path)
    subprocess.run([tmp_path / "secrets.sh"], check=True, capture_output=True)
    return tmp_path / "secrets"


def test_every_process_of_ours_can_read_its_settings(secrets: Path) -> None:
    for name in OURS:
        settings = settings_in(SERVICES[name]["environment"], secrets)
        password = (secrets / "postgres_password").read_text().strip()
        assert settings.ledger == f"postgresql://lectorium:{password}@postgres/lectorium"
        assert settings.s3_secret is not None
        assert settings.s3_secret.get_secret_value() in (secrets / "garage.env").read_text()
        assert settings.presign is False


def test_settings_point_at_services_that_exist(secrets: Path) -> None:
    settings = settings_in(SERVICES["api"]["environment"], secrets)
    for address in (settings.ledger, settings.broker, settings.s3_endpoint or ""):
        host = re.sub(r"^\w+://([^@]*@)?", "", address).split("/")[0].split(":")[0]
        assert host in SERVERS
    garage = (DOCKER / "garage.toml").read_text(encoding="utf-8")
    assert f's3_region = "{settings.s3_region}"' in garage
    bucket = settings.objects.removeprefix("s3://")
    assert f"GARAGE_DEFAULT_BUCKET={bucket}\n" in (secrets / "garage.env").read_text()


def test_secrets_are_files_and_no_values() -> None:
    for name in OURS:
        for variable, value in SERVICES[name]["environment"].items():
            if re.search("LEDGER|SECRET|KEY_ID", variable):
                assert variable.endswith("_FILE")
                assert Path(value).name in SERVICES[name]["secrets"]
    assert set(COMPOSE["secrets"]) == {"postgres_password", "ledger", "s3_key_id", "s3_secret"}


def test_secrets_are_made_once_and_hidden(secrets: Path) -> None:
    made = {path.name: path.read_text() for path in secrets.iterdir()}
    again = subprocess.run([secrets.parent / "secrets.sh"], check=True, capture_output=True, text=True)
    assert again.stdout == ""
    assert {path.name: path.read_text() for path in secrets.iterdir()} == made
    assert secrets.stat().st_mode & 0o777 == 0o700
    wanted = {Path(secret["file"]) for secret in COMPOSE["secrets"].values()}
    wanted |= {Path(file) for file in SERVICES["garage"]["env_file"]}
    assert {Path("secrets") / name for name in made} == wanted
    assert "secrets/" in (DOCKER / ".gitignore").read_text().split()


def test_secrets_of_two_installations_differ(secrets: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(DOCKER / "secrets.sh", other)
    subprocess.run([other / "secrets.sh"], check=True, capture_output=True)
    for path in secrets.iterdir():
        assert path.read_text() != (other / "secrets" / path.name).read_text()


def test_only_the_api_is_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["api"]
    ((default,),) = [re.findall(r"^\$\{PUBLISH:-(.*):\d+\}:8000$", port) for port in published["api"]]
    assert ipaddress.ip_address(default).is_loopback
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    host = re.findall(r"LECTORIUM_HOST=(\S+)", dockerfile)
    assert keys_required(settings_in({"LECTORIUM_HOST": host[0]}, Path()))


def test_every_kind_of_step_has_a_worker() -> None:
    kinds: list[str] = []
    for name in ("worker", "synthesize"):
        command = SERVICES[name]["command"]
        assert command[:2] == ["worker", "--kinds"]
        kinds += command[2].split(",")
    assert sorted(kinds) == sorted(WORKER_KINDS)


def test_nothing_of_ours_starts_before_what_it_needs() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("api", "worker", "synthesize"):
        assert SERVICES[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "redis": {"condition": "service_healthy"},
            "garage": {"condition": "service_healthy"},
        }
    assert all("healthcheck" in SERVICES[name] for name in SERVERS)
    assert SERVICES["migrate"]["command"] == ["migrate"]
    assert SERVICES["migrate"]["restart"] == "no"


def test_every_process_has_time_to_stop() -> None:
    for name in ("worker", "synthesize"):
        assert seconds(SERVICES[name]["stop_grace_period"]) >= 15  # a worker takes up to 10
    assert seconds(SERVICES["api"]["stop_grace_period"]) >= 25  # an answer may take 20


def test_redis_keeps_what_it_is_given() -> None:
    command = SERVICES["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options == {"--appendonly": "yes", "--appendfsync": "everysec", "--maxmemory-policy": "noeviction"}


def test_what_must_last_is_on_a_volume() -> None:
    mounted = {
        mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", ())
    } - {"./garage.toml"}
    assert mounted == set(COMPOSE["volumes"])


def test_processes_of_ours_have_no_privileges() -> None:
    for name in OURS:
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_the_gpu_is_for_the_synthesizer_alone() -> None:
    (gpu,) = read_yaml(DOCKER / "compose.gpu.yaml")
    assert list(gpu["services"]) == ["synthesize"]
    service = gpu["services"]["synthesize"]
    assert service["build"]["args"]["DEVICE"] == "cuda"
    assert "neural" in service["build"]["args"]["EXTRAS"].split(",")
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


@pytest.mark.parametrize("overlay", [(), ("compose.gpu.yaml",)])
def test_compose_itself_reads_the_file(secrets: Path, overlay: tuple[str, ...]) -> None:
    docker = shutil.which("docker")
    asked = [docker or "docker", "compose", "version"]
    if docker is None or subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    folder = secrets.parent
    files = ["compose.yaml", *overlay]
    for name in files:
        shutil.copy(DOCKER / name, folder)
    command = [docker, "compose", *(word for name in files for word in ("-f", name)), "config", "--quiet"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
