from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from jobs.migrate import upgrade
from jobs.settings import Settings, environment_of
from tests.docker.files import DOCKER, ROOT, script

DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")


def instructions(text: str = DOCKERFILE) -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, comments and line breaks resolved."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    whole = lines.replace("\\\n", " ")
    return [(words[0], words[1]) for line in whole.splitlines() if (words := line.split(None, 1))]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Stage name -> its own instructions, those of the stages it stands on first."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, argument in instructions():
        if name == "FROM":
            base, _, stage = argument.partition(" AS ")
            current = found[stage] = [*found.get(base, [])]
        elif found:
            current.append((name, argument))
    return found


def last(stage: str, instruction: str) -> str:
    return [argument for name, argument in stages()[stage] if name == instruction][-1]


def test_there_are_an_api_and_a_worker() -> None:
    assert {"api", "worker"} <= set(stages())


@pytest.mark.parametrize("stage", ["api", "worker"])
def test_an_image_runs_as_nobody_in_particular(stage: str) -> None:
    assert last(stage, "USER") == "10001:10001"


@pytest.mark.parametrize("stage", ["api", "worker"])
def test_sigterm_reaches_the_process_itself(stage: str) -> None:
    assert json.loads(last(stage, "ENTRYPOINT")) == ["tini", "--", "lectorium"]  # the exec form: no shell
    assert json.loads(last(stage, "CMD")) == [stage]
    assert last(stage, "STOPSIGNAL") == "SIGTERM"


@pytest.mark.parametrize("stage", ["api", "worker"])
def test_an_image_says_how_it_is(stage: str) -> None:
    check = json.loads(last(stage, "HEALTHCHECK").partition("CMD ")[2])
    assert check[0] == {"api": "python", "worker": "lectorium-alive"}[stage]
    if stage == "worker":
        assert last(stage, "COPY") == "--chmod=0755 docker/alive.py /usr/local/bin/lectorium-alive"
        assert (DOCKER / "alive.py").read_text(encoding="utf-8").startswith("#!/usr/bin/env python3\n")


def test_every_library_is_pinned() -> None:
    installs = re.findall(r"pip install [^&]*", " ".join(argument for _, argument in instructions()))
    assert len(installs) == 5
    for install in installs:
        assert "-c constraints.txt" in install or "--no-deps /wheel/" in install, install


def test_no_secret_is_built_in() -> None:
    named = [argument for name, argument in instructions() if name in {"ARG", "ENV"}]
    assert not [line for line in named if re.search(r"(?i)secret|password|token|_key|ledger", line)]


def test_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = script("requirements").requirements
    assert requirements("") == project["dependencies"]
    extras = project["optional-dependencies"]
    assert requirements("worker,draft") == [*extras["worker"], *extras["draft"]]
    with pytest.raises(SystemExit, match="'drafts' is none of api, worker, draft"):
        requirements("drafts")


def test_extras_named_in_the_dockerfile_exist() -> None:
    requirements = script("requirements").requirements
    assert requirements("api")
    defaults = [argument for name, argument in stages()["worker"] if name == "ARG"]
    extras = dict(argument.split("=") for argument in defaults)["EXTRAS"]
    assert any(line.startswith("torch==") for line in requirements(extras))
    assert not any(line.startswith(("torch", "mutagen", "espeakng")) for line in requirements("api"))


def test_the_build_sees_nothing_but_what_an_image_is_made_of() -> None:
    lines = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert "*" in lines
    allowed = {line[1:] for line in lines if line.startswith("!")}
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert {name.rstrip("*") for name in packages["packages"]["find"]["include"]} <= allowed
    sources = re.findall(r"source=([\w./]+),target=[a-z]", DOCKERFILE)
    copied = [shlex.split(argument)[-2] for name, argument in instructions() if name == "COPY"]
    needed = {*sources, *copied} - {"."}
    assert needed <= allowed
    assert not [name for name in needed if not (ROOT / name).exists()]
    assert not allowed & {"tests", "docker", "docker/secrets", ".git", ".venv", "out"}


@pytest.mark.slow
def test_a_worker_at_work_is_alive_and_one_that_cannot_begin_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = script("alive")
    monkeypatch.setattr(alive, "LEAST_SECONDS", 8.0)  # a child that cannot begin ends in half of that
    outside = dict(os.environ)  # noqa: TID251 - a child's environment
    good = Settings(home=tmp_path / "good")
    good.home.mkdir()
    upgrade(good.ledger_url)
    (tmp_path / "file").write_text("")
    bad = Settings(
        home=tmp_path / "bad", ledger=good.ledger_url, objects=(tmp_path / "file" / "objects").as_uri()
    )
    found = []
    for settings, patience in ((good, 60), (bad, 16)):
        worker = subprocess.Popen(
            [sys.executable, "-m", "worker"],
            env=outside | environment_of(settings),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            give_up = time.monotonic() + patience
            seen = False
            while time.monotonic() < give_up and not seen:
                time.sleep(0.5)
                seen = alive.main(worker.pid) == 0
            found.append(seen)
        finally:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
    assert found == [True, False]


def test_a_process_without_a_child_at_work_is_not_alive(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as idle:
        assert script("alive").main(idle.pid) == 1
        assert capsys.readouterr().err == "no child of this worker has lived for 15 s\n"
        idle.communicate(b"\n")


def test_a_worker_starts_with_its_secrets_in_files(tmp_path: Path) -> None:
    """As in the images: what it hands down to its child must not stand beside the file it came from."""
    ledger = f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    upgrade(ledger)
    (tmp_path / "ledger").write_text(ledger)
    outside = dict(os.environ)  # noqa: TID251 - a child's environment
    worker = subprocess.Popen(
        [sys.executable, "-m", "worker"],
        env=outside | {"LECTORIUM_HOME": str(tmp_path), "LECTORIUM_LEDGER_FILE": str(tmp_path / "ledger")},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        alive = script("alive")
        give_up = time.monotonic() + 30
        while worker.poll() is None and time.monotonic() < give_up:
            if alive.oldest_child_seconds(worker.pid) > 4:
                break
            time.sleep(0.2)
        assert worker.poll() is None
    finally:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
