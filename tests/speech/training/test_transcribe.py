from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speech.recogniser import Recogniser
from speech.training.transcribe import Transcriber
from tests.speech.training.spoken import speech
from tests.speech.whispering import SENTENCE, write_recogniser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recogniser(tmp_path_factory.mktemp("recogniser"))


def absent() -> Recogniser:
    raise AssertionError("nothing has to be written down")


def test_what_was_written_down_is_kept(folder: Path, tmp_path: Path) -> None:
    sounds = [speech(2.0), speech(2.5, 1)]
    writes = Transcriber(lambda: Recogniser(folder), digests=["one"], kept=tmp_path)
    assert writes.knows("en")
    assert not writes.knows("yue")
    assert writes(sounds, "en") == [SENTENCE] * 2
    assert Transcriber(absent, digests=["one"], kept=tmp_path)(sounds[::-1], "en") == [SENTENCE] * 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("change", ["sound", "language", "digest"])
def test_whatever_changes_is_written_down_anew(tmp_path: Path, folder: Path, change: str) -> None:
    Transcriber(lambda: Recogniser(folder), kept=tmp_path)([speech(2.0)], "en")
    other = Transcriber(absent, digests=["other"] if change == "digest" else [], kept=tmp_path)
    sound = np.append(speech(2.0), np.float32(0.1)) if change == "sound" else speech(2.0)
    with pytest.raises(AssertionError, match="nothing has to"):
        other([sound], "zh" if change == "language" else "en")


def test_a_damaged_one_is_written_down_anew_and_said(
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writes = Transcriber(lambda: Recogniser(folder), kept=tmp_path)
    writes([speech(2.0)], "en")
    (file,) = tmp_path.iterdir()
    file.write_text("{")
    assert writes([speech(2.0)], "en") == [SENTENCE]
    assert "is damaged and is made anew" in caplog.text
