"""OpenAI's own client against a server and a worker that really run."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx2
import numpy as np
import openai
import pytest

from jobs.ledger import Ledger
from jobs.ledger.keys import LOCAL_TENANT
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.states import JobState
from tests.cli.conftest import put_on_shelf
from tests.cli.waiting import until

ROOT = Path(__file__).resolve().parents[2]
TEXT = "Somebody is at the door. It has rung twice by now."


class House(NamedTuple):
    """A client of a server, and what stands behind that."""

    client: openai.OpenAI
    ledger: Ledger


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server and a worker, each a process, on SQLite without a broker."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home)
    upgrade(settings.ledger_url)
    put_on_shelf(settings.shelf_path)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LECTORIUM_")},  # noqa: TID251 - the children's
        "LECTORIUM_HOME": str(home),
        "LECTORIUM_PORT": "0",
        "PYTHONPATH": str(ROOT),
    }
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(settings))

        def start(*arguments: str) -> subprocess.Popen[str]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", *arguments],
                    cwd=home,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
            stack.callback(process.terminate)
            return process

        server = start("api")
        start("worker", "--kinds", "synthesize")
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        client = openai.OpenAI(api_key="none", base_url=f"{address}/v1", max_retries=0)
        yield House(stack.enter_context(client), ledger)


@pytest.mark.slow
def test_a_text_comes_back_as_sound(house: House) -> None:
    spoken = house.client.audio.speech.create(
        model="tts-1", voice="quick", input=TEXT, response_format="wav", speed=1.25
    )
    with wave.open(io.BytesIO(spoken.content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 32_000)
        samples = np.frombuffer(file.readframes(10**8), "<i2")
    assert 1.0 < samples.size / 32_000 < 6.0
    assert np.abs(samples).max() > 1_000


@pytest.mark.slow
def test_sound_arrives_while_it_is_being_made(house: House) -> None:
    text = " ".join(f"This is sentence number {n} of the story." for n in range(4))
    with house.client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="slow", input=text, response_format="pcm", stream_format="audio"
    ) as answer:
        parts = answer.iter_bytes()
        first = next(parts)
        job = house.ledger.jobs.page(LOCAL_TENANT)[0]
        assert job.n_utterances_done < job.n_utterances == 4
        rest = b"".join(parts)
    assert len(rest) > len(first) > 0
    assert answer.headers["Lectorium-Job"] == job.id


@pytest.mark.slow
def test_whoever_hangs_up_cancels_the_job(house: House) -> None:
    text = " ".join(f"This is line number {n} of a long story." for n in range(60))
    with house.client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="slow", input=text, response_format="pcm"
    ) as answer:
        next(answer.iter_bytes())
        job_id = answer.headers["Lectorium-Job"]
    until(lambda: house.ledger.jobs.get(LOCAL_TENANT, job_id).state == JobState.CANCELLED)


@pytest.mark.slow
def test_what_breaks_off_is_an_error_and_never_silence(house: House) -> None:
    text = "This is the first sentence, and a good one. This sentence has poison-refuse in it."
    create = house.client.audio.speech.create
    with pytest.raises((openai.APIConnectionError, openai.UnprocessableEntityError, httpx2.TransportError)):
        create(model="tts-1", voice="picky", input=text, response_format="pcm")


@pytest.mark.slow
def test_errors_are_those_the_client_knows(house: House) -> None:
    create = house.client.audio.speech.create
    with pytest.raises(openai.UnprocessableEntityError, match="/voice: voice 'alloy'"):
        create(model="tts-1", voice="alloy", input=TEXT)
    with pytest.raises(openai.UnprocessableEntityError, match="/speed") as refused:
        create(model="tts-1", voice="quick", input=TEXT, speed=4.0)
    assert (refused.value.param, refused.value.code) == ("speed", "invalid")
    with pytest.raises(openai.UnprocessableEntityError, match="/instructions"):
        create(model="tts-1", voice="quick", input=TEXT, instructions="Sing.")
    with pytest.raises(openai.UnprocessableEntityError, match="poison-refuse"):
        create(model="tts-1", voice="picky", input="It says poison-refuse here.")
