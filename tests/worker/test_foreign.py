"""Words of a language the voice does not speak: refused with their place, or read and told of."""

from __future__ import annotations

import pytest

from jobs.ledger.keys import LOCAL_TENANT
from jobs.states import JobState
from models_store.manifest import VoiceManifest
from models_store.scripts import Script, freeze, thaw
from speech.errors import UnreadableTextError
from speech.stub import WEIGHTS_DIGEST
from speech.text.utterance import Span, Utterance
from speech.voice import Sampling
from tests.worker.conftest import Submit
from tests.worker.test_drain import doubts_in, drain
from worker.foreign import Foreign
from worker.workshop import Workshop

BOOK = """<html lang="en"><body><h1>One</h1><p>He was, <i lang="la">mutatis mutandis</i>, right.</p>
<p>So he said.</p></body></html>"""


def voice(*languages: str) -> VoiceManifest:
    return VoiceManifest(
        name="anna", family="stub", weights_digest=WEIGHTS_DIGEST, languages=languages, licence="MIT"
    )


LATIN = Utterance((Span("He was, ", "en"), Span("mutatis mutandis", "la"), Span(", right.", "en")))
PLAIN = Utterance((Span("So he said.", "en"),))


def test_foreign_words_are_read_as_the_book_and_told_of() -> None:
    settled, remarks = Foreign(voice("en"), "en", as_book=True).settle([PLAIN, LATIN], "One")
    assert settled[0] == PLAIN
    assert settled[1].text == LATIN.text
    assert {span.language for span in settled[1].spans} == {"en"}
    assert remarks == {1: "'mutatis mutandis' is la, read as en"}


def test_a_voice_that_speaks_them_is_left_to_it() -> None:
    settled, remarks = Foreign(voice("en", "la"), "en", as_book=True).settle([LATIN], "One")
    assert (settled, remarks) == ((LATIN,), {})


@pytest.mark.parametrize(
    ("utterance", "language", "as_book", "message"),
    [
        (LATIN, "en", False, r"does not speak 'la': chapter 'One', utterance 1 \('mutatis mutandis'\); with"),
        (LATIN, "fr", True, r"does not speak 'la': chapter 'One', utterance 1 \('mutatis mutandis'\)$"),
        (Utterance((Span("Oui.", "fr"),)), "fr", True, r"does not speak 'fr': chapter 'One', utterance 1"),
        (Utterance((Span("Xq.", "und"),)), "en", True, r"neither the book nor its text tells it"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    utterance: Utterance, language: str, as_book: bool, message: str
) -> None:
    with pytest.raises(UnreadableTextError, match=message):
        Foreign(voice("en"), language, as_book=as_book).settle([utterance], "One")


def test_a_script_keeps_its_remarks() -> None:
    script = Script.write([PLAIN, LATIN], voice=voice("en"), sampling=Sampling(), remarks={1: "so"})
    assert thaw(freeze(script)) == script
    assert b"remarks" not in freeze(Script.write([PLAIN], voice=voice("en"), sampling=Sampling()))


@pytest.mark.parametrize("foreign", ["refuse", "as-book"])
def test_a_book_with_foreign_words(workshop: Workshop, submit: Submit, foreign: str) -> None:
    workshop.shelf.install(voice("en"), {})
    job_id = submit(BOOK, name="book.html", voice="anna", foreign=foreign)
    drain(workshop)
    job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
    if foreign == "refuse":
        assert job.state == JobState.FAILED
        assert job.error is not None
        assert "does not speak 'la': chapter 'One'" in job.error["message"]
        return
    assert job.state == JobState.SUCCEEDED
    told = doubts_in(workshop, job_id)
    assert [(take["chapter"], take["text"], take["reason"]) for take in told] == [
        (1, "He was, mutatis mutandis, right.", "'mutatis mutandis' is la, read as en")
    ]
