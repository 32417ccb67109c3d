"""What docs/operations.md says is so: metrics, commands, scripts, codes, figures."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import click
import pytest
from prometheus_client.registry import CollectorRegistry

from api.metrics import Metrics
from api.office import open_office
from cli.main import lectorium
from jobs.ledger.deliveries import WAITS_SECONDS
from jobs.migrate import upgrade
from jobs.settings import Settings
from tests.docker.files import ROOT
from worker.app import MEMORY_SHARE
from worker.errors import CODES

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [
    shlex.split(line, comments=True)
    for block in BLOCKS
    for line in block.splitlines()
    if shlex.split(line, comments=True)
]
IN_LINE = [shlex.split(text) for text in re.findall(r"`(lectorium [^`]+)`", PAGE)]


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def column(text: str, header: str) -> list[str]:
    """The cells of the column of this header, in the one table that has it."""
    lines = text.splitlines()
    (top,) = [number for number, line in enumerate(lines) if re.search(rf"\| {re.escape(header)} \|", line)]
    index = [cell.strip() for cell in lines[top].strip("|").split("|")].index(header)
    cells = []
    for line in lines[top + 2 :]:
        if not line.startswith("|"):
            break
        cells.append(re.split(r"(?<!\\)\|", line.strip("|"))[index].strip())
    return cells


def metrics_served(home: Path) -> set[str]:
    """Every metric of a server, as it is written."""
    settings = Settings(home=home)
    upgrade(settings.ledger_url)
    office = open_office(settings)
    assert office.ledger.operations.take_turn()
    registry: CollectorRegistry = Metrics(office).registry
    names = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    office.ledger.close()
    return names


def test_every_metric_is_told_of_and_none_that_is_not_there(tmp_path: Path) -> None:
    told = {
        name
        for cell in column(section("Watch"), "metric")
        for name in re.findall(r"`([a-z_]+)(?:\{|`)", cell)
    }
    assert told == metrics_served(tmp_path)


def test_alerts_ask_for_metrics_that_are_there(tmp_path: Path) -> None:
    served = metrics_served(tmp_path)
    for expression in column(section("Watch"), "expression"):
        asked = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", re.sub(r'"[^"]*"', "", expression)))
        asked -= {"predict_linear"}
        asked |= set(re.findall(r"\b(jobs|steps)\{", expression))
        assert asked, expression
        assert asked <= served, expression


@pytest.mark.parametrize("words", [*COMMANDS, *IN_LINE], ids=" ".join)
def test_a_command_exists(words: list[str]) -> None:
    program = Path(words[0]).name
    if program == "docker":
        assert all((ROOT / name).is_file() for flag, name in pairwise(words) if flag == "-f")
        words = ["lectorium", *words[words.index("--rm") + 2 :]] if "run" in words else []
    elif words[0].startswith("LECTORIUM_"):
        assert_setting(*words[0].split("=", 1))
        return
    elif program == "kubectl":
        assert (ROOT / words[words.index("-k") + 1] / "kustomization.yaml").is_file()
        words = []
    elif program == "secrets.sh":
        assert (ROOT / words[0]).stat().st_mode & 0o111
        words = []
    elif program == "python" and words[1] == "-m":
        usage = subprocess.run(
            [sys.executable, "-m", words[2], "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        assert all(word in usage for word in words[3:] if word.startswith("--"))
        words = []
    if program in {"lectorium", "docker"} and words:
        assert_lectorium_has(words[1:])
    else:
        assert program in {"docker", "kubectl", "secrets.sh", "python", "python3", "pip", "curl"}


def assert_setting(name: str, value: str) -> None:
    """The line of an environment file is one that a process would start with."""
    Settings.model_validate({name.removeprefix("LECTORIUM_").lower(): value})


def assert_lectorium_has(words: list[str]) -> None:
    command: click.Command = lectorium
    while isinstance(command, click.Group):
        assert words[0] in command.commands, words
        command, words = command.commands[words[0]], words[1:]
    if command.name == "worker":  # it hands its arguments on
        assert words[:1] in ([], ["--kinds"])
        return
    offered = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= offered


def test_every_chaos_script_is_told_of() -> None:
    scripts = {path.stem for path in (ROOT / "tests" / "chaos").glob("*.py")}
    scripts -= {"__init__", "rig", "fault_proxy", "set_clock", "test_chaos", "test_set_clock"}
    assert set(re.findall(r"`tests\.chaos\.(\w+)`", section("When a part dies"))) == scripts


def test_every_code_of_a_failed_job_is_told_of() -> None:
    told = {
        code
        for cell in column(section("A job that failed"), "code")
        for code in re.findall("`([^`]+)`", cell)
    }
    assert told == {code for _, code in CODES} | {"crash", "stumble", "internal"}


def test_the_waits_of_webhooks_are_those_of_the_ledger() -> None:
    units = {"s": 1, "min": 60, "h": 3600}
    (sentence,) = re.findall(r"tried at once and again after ([^:]*?), then\s+given up", PAGE)
    waits = [int(count) * units[unit] for count, unit in re.findall(r"(\d+)\s+(s|min|h)\b", sentence)]
    assert waits == list(WAITS_SECONDS)


def test_defaults_are_those_of_the_settings() -> None:
    settings = Settings()
    install = section("Install")
    told: dict[str, str] = {}
    for names, defaults in zip(column(install, "setting"), column(install, "default"), strict=True):
        fields = [name.lower() for name in re.findall(r"LECTORIUM_([A-Z0-9_]+)", names)]
        told |= dict(zip(fields, re.split(r"[,;] ", defaults.lower()), strict=False))
    assert settings.memory_gigabytes is None
    assert (
        told.pop("memory_gigabytes")
        == f"{'¾' if MEMORY_SHARE == 0.75 else MEMORY_SHARE} of the machine's memory"
    )
    assert settings.lane_slots is None
    assert told.pop("lane_slots") == "what the lanes have room for"
    assert settings.voice_cache_gigabytes is None
    assert told.pop("voice_cache_gigabytes") == "¼ of the machine's memory"
    assert (settings.warm_voices, told.pop("warm_voices")) == ((), "none")
    assert settings.s3_public_endpoint is None
    assert told.pop("s3_public_endpoint") == "the endpoint itself"
    with_broker = settings.model_copy(update={"broker": "redis://redis"})
    looks = f"{with_broker.look_interval:g} with a broker"
    assert told.pop("look_seconds") == looks
    said = {name: str(getattr(settings, name)).removesuffix(".0") for name in told}
    assert {name: text.lower() for name, text in said.items()} == {
        n: text.lower() for n, text in told.items()
    }
    for name, figure in re.findall(r"`LECTORIUM_([A-Z_]+)` \((\d+)(?: MB)?\)", PAGE):
        assert str(getattr(settings, name.lower())).rstrip("0.") == figure.rstrip("0.")
