"""A voice overnight, from a real reader's recordings, through HTTP, by a clock that is set.

    python -m tests.chaos.night FOLDER --list FILE        # FOLDER/*.wav, and what is said in them

The HTTP server and the workers are processes like any others, on PostgreSQL; its clock is set (`set_clock`).
The evening: the recordings are sent, and bad ones of every kind. The first night: the work begins 90 seconds
before its window closes. The second night: a worker is killed with `kill -9`. The morning: everything is
fetched, the voice reads, is trained once more by day (`"when": "now"`), and is rolled back. The base is a
toy with random weights, so nothing is said about how the voice sounds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from cli.main import run as lectorium
from jobs.settings import hand_down
from jobs.states import JOB_ENDED, JobState
from models_store.hearing import hear
from models_store.shelf import Shelf
from tests.chaos.rig import Rig, Worker, report
from tests.chaos.set_clock import SetDatabase
from tests.models_store.speaking import write_wav
from tests.services import postgres
from tests.services.process import MissingServerError, free_port
from tests.speech.training.spoken import Sound
from tests.worker.learning import put_on
from tests.worker.spoiling import JAPANESE, REFUSED, spoilt

WINDOW: Final = "22:00-06:00 Europe/London"
EVENING: Final = "2026-10-24T19:00+01:00"  # summer time ends in the night that follows
DEADLINE: Final = "2026-10-25T07:00+00:00"
"""Which it misses: the hours chosen lie in the first night, and it begins after them."""
LATE: Final = 90.0
"""Seconds before the first window closes when its work begins."""
CALM: Final = {"lease_seconds": 15.0, "renew_seconds": 4.0, "sweep_seconds": 1.0, "look_seconds": 0.5}
KINDS: Final = "prepare,train,publish,plan,synthesize,master,bind"
TEXT: Final = "Chapter One\n\nThe house was quiet. Nobody came to the door.\n"


@dataclass(frozen=True)
class Server:
    """The HTTP server, as a client sees it."""

    port: int

    def get(self, address: str) -> bytes:
        """What lies there; redirects are followed."""
        with urlopen(f"http://127.0.0.1:{self.port}{address}", timeout=60) as answer:
            return bytes(answer.read())

    def show(self, address: str) -> dict[str, Any]:
        """The JSON object there."""
        shown: dict[str, Any] = json.loads(self.get(address))
        return shown

    def post(self, address: str, body: bytes, media_type: str) -> tuple[int, dict[str, Any], HTTPMessage]:
        """Status, body and headers of the answer."""
        url = f"http://127.0.0.1:{self.port}{address}"
        request = Request(url, data=body, headers={"Content-Type": media_type})
        try:
            with urlopen(request, timeout=60) as answer:  # noqa: S310 - our own address
                return answer.status, json.load(answer), answer.headers
        except HTTPError as error:
            with error:
                return error.code, json.load(error), error.headers

    def train(self, sounds: Sequence[tuple[str, bytes]], **spec: Any) -> tuple[int, dict[str, Any]]:
        """Status and body of a training asked for."""
        parts = [("recordings", FileStorage(BytesIO(sound), name)) for name, sound in sounds]
        asked = {"base": "base", "language": "en", "consent": "LibriVox: public domain", **spec}
        parts.append(("spec", FileStorage(BytesIO(json.dumps(asked).encode()), "spec.json")))
        boundary, body = encode_multipart(MultiDict(parts))
        status, shown, _ = self.post("/v1/trainings", body, f"multipart/form-data; boundary={boundary}")
        return status, shown

    def wait(self, job_id: str, until: Callable[[dict[str, Any]], bool], *, seconds: float = 300) -> Any:
        """The job, once it is so.

        Raises:
            TimeoutError: it did not become so, or ended before.
        """
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            job = self.show(f"/v1/jobs/{job_id}")
            if until(job):
                return job
            if _has_ended(job):
                break
            time.sleep(0.1)
        raise TimeoutError(json.dumps(job))


def run(home: Path, recordings: Mapping[str, tuple[Path, str]], *, epochs: int) -> dict[str, Any]:
    """What came of it.

    Args:
        home: a folder for everything.
        recordings: file and transcript of each, by its name.
        epochs: of both networks, in the two nights.

    Raises:
        MissingServerError: there is no PostgreSQL here.
    """
    url = postgres.running_server()
    if url is None:
        raise MissingServerError("PostgreSQL is not running: see setup/servers.sh")
    with postgres.fresh_database(url) as database:
        clock = SetDatabase(database)
        clock.set(at(EVENING))
        more = {**CALM, "window": WINDOW, "price_per_kwh": 0.30, "hang_seconds": 120.0}
        more["check_voices"] = False  # random weights are not well: they end a sentence anywhere
        with Rig(home, ledger_url=database, settings_more=more) as rig:
            put_on(Shelf(rig.settings.shelf_path))
            port = free_port()
            rig.start_api(port)
            return Night(rig, clock, Server(port), recordings, epochs).live()


class Night:
    """The story, step by step; each step returns its figures."""

    def __init__(
        self,
        rig: Rig,
        clock: SetDatabase,
        server: Server,
        recordings: Mapping[str, tuple[Path, str]],
        epochs: int,
    ) -> None:
        self._rig, self._clock, self._server = rig, clock, server
        self._recordings, self._epochs = recordings, epochs
        self._worker: Worker

    def live(self) -> dict[str, Any]:
        """All of it, in order."""
        self._worker = self._rig.start(KINDS)
        job_id = self._ask(epochs=self._epochs, windows=[WINDOW], deadline=DEADLINE)
        evening = self._evening(job_id)
        refused = self._refuse()
        nights = self._first_night(job_id) | self._second_night(job_id)
        morning = self._morning(job_id)
        return {**evening, "refused": refused, **nights, **morning}

    def _ask(self, *, epochs: int, **spec: Any) -> str:
        sounds = [(name, path.read_bytes()) for name, (path, _) in self._recordings.items()]
        words = [{"recording": name, "text": text} for name, (_, text) in self._recordings.items()]
        options = {
            "decoder_epochs": epochs, "semantic_epochs": epochs, "decoder_lanes": 2, "semantic_lanes": 2,
            "semantic_passes": 1, "least_per_epoch": 1, "look_every": 50,
        }  # fmt: skip
        status, job = self._server.train(sounds, name="librivox", words=words, options=options, **spec)
        assert status == 202, job
        return str(job["id"])

    def _evening(self, job_id: str) -> dict[str, Any]:
        job = self._server.wait(job_id, lambda job: job["hours"] is not None and job["artefacts"])
        hours = job["hours"]
        for late in (
            "2026-10-24T21:30+01:00",
            "2026-10-24T23:00+01:00",
        ):  # by day; by night, greener hours come
            self._clock.set(at(late))
            time.sleep(4)
            job = self._server.show(f"/v1/jobs/{job_id}")
            assert job["training"] is None, f"it trains at {late}"
        self._clock.set(at(EVENING))
        told = json.loads(self._server.get(_href(job, "report.json")))
        return {
            "recordings": len(self._recordings),
            "seconds_of_speech": told["seconds"],
            "kept": told["n_kept"],
            "chosen": [f"{each['opens_at']} to {each['closes_at']}" for each in hours["openings"]],
            "needed_seconds": hours["needed_seconds"],
            "expected_saving": round(hours["saving"], 3),
        }

    def _refuse(self) -> dict[str, str]:
        """One training for each bad recording; name -> the line that refuses it."""
        path, _ = max(self._recordings.values(), key=lambda pair: pair[0].stat().st_size)
        sounds, texts = spoilt(hear(path, most_seconds=10.0).at_rest())
        folder = self._rig.home / "spoilt"
        folder.mkdir()
        jobs = {}
        for name, sound in sounds.items():
            content = sound if isinstance(sound, bytes) else _wav(folder / name, sound)
            words = [{"recording": name, "text": texts[name]}] if name in texts else []
            if name == JAPANESE:
                words[0]["language"] = "ja"
            status, job = self._server.train([(name, content)], name="nobody", words=words)
            assert status == 202, job
            jobs[name] = job["id"]
        lines = {}
        for name, job_id in jobs.items():
            job = self._server.wait(job_id, _has_ended)
            (other,) = job["error"]["others"]
            line = other["message"]
            assert line.startswith(f"{name}: {REFUSED[name]}"), line
            assert "\n" not in line
            lines[name] = line
        return lines | dict(self._refused_at_once(path.read_bytes()))

    def _refused_at_once(self, good: bytes) -> Iterator[tuple[str, str]]:
        """Those that make no job."""
        for what, sounds in (
            ("no byte", [("a.wav", b"")]),
            ("one name twice", [("a.wav", good), ("a.wav", good[:-2])]),
            ("one sound twice", [("a.wav", good), ("b.wav", good)]),
            ("no recording", []),
        ):
            status, told = self._server.train(sounds, name="nobody")
            assert status == 422, told
            assert "\n" not in told["detail"]
            yield what, told["detail"]

    def _first_night(self, job_id: str) -> dict[str, Any]:
        """It begins late, and its window closes."""
        closes = at("2026-10-25T06:00+00:00")
        self._clock.set(datetime.fromtimestamp(closes.timestamp() - LATE, UTC))
        self._server.wait(job_id, lambda job: job["training"] is not None)
        job = self._server.wait(job_id, _waits, seconds=LATE + 60)
        done = job["training"]["updates_done"]
        time.sleep(15)  # it is after six: whoever trains on would be seen
        job = self._server.show(f"/v1/jobs/{job_id}")
        assert job["training"]["updates_done"] == done
        (put_back,) = (each for each in self._events(job_id) if "reason" in each.detail)
        assert put_back.detail["reason"] == "the window closes"
        return {
            "updates_first_night": done,
            "handed_back_before_close_seconds": round(closes.timestamp() - put_back.at, 2),
            "goes_on_at": job["progress"]["goes_on_at"],
        }

    def _second_night(self, job_id: str) -> dict[str, Any]:
        """A worker is killed, another goes on, and there is a voice."""
        self._clock.set(at("2026-10-25T22:00+00:00"))
        before = self._server.show(f"/v1/jobs/{job_id}")["training"]["updates_done"]
        job = self._server.wait(job_id, lambda job: job["training"]["updates_done"] > before)
        killed_at = job["training"]["updates_done"]
        self._rig.kill(self._worker)
        self._worker = self._rig.start(KINDS)
        job = self._server.wait(job_id, _has_ended, seconds=900)
        assert job["state"] == "succeeded", job["error"]
        outside = [each for each in self._events(job_id) if not _is_in_window(each.at)]
        return {
            "updates_at_kill": killed_at,
            "updates": job["training"]["updates"],
            "moves_of_training_outside_the_window": len(outside),
            "energy": job["energy"],
        }

    def _morning(self, job_id: str) -> dict[str, Any]:
        self._clock.set(at("2026-10-26T08:00+00:00"))
        job = self._server.show(f"/v1/jobs/{job_id}")
        files = {file["name"]: self._server.get(file["href"]) for file in job["artefacts"]}
        for file in job["artefacts"]:
            assert len(files[file["name"]]) == file["bytes"], file
        for plot in ("losses.png", "evaluation.png"):
            assert files[plot].startswith(b"\x89PNG"), plot
        evaluation = json.loads(files["evaluation.json"])
        assert f'energy_kilowatt_hours_total{{source="{job["energy"]["source"]}"}}' in self._metrics()
        first = self._server.show("/v1/voices/librivox")["versions"][0]["version"]
        seconds = [self._narrate()]
        again = self._ask(epochs=1, when="now")  # by day, for it was said so
        job = self._server.wait(again, _has_ended)
        assert job["state"] == "succeeded", job["error"]
        second = self._server.show("/v1/voices/librivox")["versions"][0]["version"]
        assert second != first
        hand_down(self._rig.settings)  # to the command line, in this process
        assert lectorium(["voice", "rollback", "librivox", first[:12]]) == 0
        assert self._server.show("/v1/voices/librivox")["versions"][0]["version"] == first
        seconds.append(self._narrate())
        return {
            "artefacts": {name: len(content) for name, content in sorted(files.items())},
            "evaluation": evaluation["mean"],
            "is_held_out": evaluation["is_held_out"],
            "versions": [first[:12], second[:12]],
            "narrated_seconds": seconds,
        }

    def _metrics(self) -> str:
        return self._server.get("/metrics").decode()

    def _narrate(self) -> float:
        """Seconds of sound of a narration in the new voice."""
        asked = {"text": TEXT, "voice": "librivox", "formats": ["flac"], "profile": "none"}
        status, job, _ = self._server.post("/v1/narrations", json.dumps(asked).encode(), "application/json")
        assert status == 202, job
        job = self._server.wait(job["id"], _has_ended)
        assert job["state"] == "succeeded", job["error"]
        for file in job["artefacts"]:
            assert len(self._server.get(file["href"])) == file["bytes"], file
        return float(job["progress"]["audio_seconds"])

    def _events(self, job_id: str) -> list[Any]:
        """What was done of the steps that need the window, and why they were put back."""
        done = {"step.leased", "step.succeeded", "step.failed"}
        return [
            each
            for each in self._rig.ledger.jobs.events(self._rig.tenant, job_id)
            if each.kind == "training.progress"
            or "reason" in each.detail
            or (each.kind in done and each.detail.get("step") in {"train", "publish"})
        ]


def at(text: str) -> datetime:
    """The instant, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _is_in_window(seconds: float) -> bool:
    return any(
        at(start).timestamp() <= seconds <= at(end).timestamp()
        for start, end in (
            ("2026-10-24T22:00+01:00", "2026-10-25T06:00+00:00"),
            ("2026-10-25T22:00+00:00", "2026-10-26T06:00+00:00"),
        )
    )


def _has_ended(job: Mapping[str, Any]) -> bool:
    return JobState(job["state"]) in JOB_ENDED


def _waits(job: Mapping[str, Any]) -> bool:
    return job["progress"]["goes_on_at"] is not None


def _href(job: Mapping[str, Any], name: str) -> str:
    return str(next(file["href"] for file in job["artefacts"] if file["name"] == name))


def _wav(path: Path, sound: Sound) -> bytes:
    return write_wav(path, np.asarray(sound, np.float32)).read_bytes()


def read_recordings(folder: Path, listed: Path) -> dict[str, tuple[Path, str]]:
    """The folder's recordings and what the list says is said in them."""
    rows = [line.split("|") for line in listed.read_text("utf-8").splitlines() if line]
    texts = {Path(path).name: text for path, _, _, text in rows}
    return {path.name: (path, texts[path.name]) for path in sorted(folder.glob("*.wav"))}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", dest="listed", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=200)
    arguments = parser.parse_args()
    recordings = read_recordings(arguments.folder, arguments.listed)
    with tempfile.TemporaryDirectory() as home:
        report(run(Path(home), recordings, epochs=arguments.epochs))


if __name__ == "__main__":
    main()
