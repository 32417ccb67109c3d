"""A voice is made of recordings, somebody's weights and a consent; or one line says which will not do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.ids import new_id
from models_store.adding import AddingError, NewVoice, add_voice
from models_store.manifest import VoiceManifest
from models_store.shelf import NameTakenError, Shelf
from speech.gpt_sovits.files import DECODER, SEMANTIC
from speech.text.lexicon import FILE, Entry, Lexicon, read_lexicon
from tests.models_store.making import manifest_of, write_files, write_weights
from tests.models_store.speaking import TEXT, noise, spoken, write_wav


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def base(shelf: Shelf, tmp_path: Path) -> VoiceManifest:
    files = write_files(tmp_path / "base", semantic=b"s", decoder=b"d")
    return shelf.install(manifest_of("base", files, languages=("en", "zh")), files)


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "ref.wav", spoken())


def wanted(**changes: Any) -> NewVoice:
    given = {"name": "anna", "transcript": TEXT, "language": "en", "consent": "Anna agreed", "base": "base"}
    return NewVoice(**{**given, **changes})


def test_a_clone_shares_weights_and_has_its_own_prompts(
    shelf: Shelf, base: VoiceManifest, prompt: Path, tmp_path: Path
) -> None:
    second = write_wav(tmp_path / "second.wav", spoken()[: 4 * 32_000])
    anna = add_voice(shelf, wanted(description="Anna"), [prompt, second])
    assert shelf.resolve("anna") == anna
    assert anna.base == f"base@{base.version}"
    assert (anna.weights_digest, anna.languages, anna.licence) == (base.weights_digest, ("en", "zh"), "MIT")
    assert [entry.transcript for entry in anna.prompts] == [TEXT, ""]
    assert set(anna.files) == {entry.file for entry in anna.prompts}
    source = shelf.source(anna)
    assert source.weights == shelf.folder(base)
    assert all(found.path.is_file() for found in source.prompts)
    shelf.require_consent(anna)
    consent = shelf.consent_of("anna")
    assert consent is not None
    assert consent.statement == "Anna agreed"


def test_a_voice_has_a_lexicon_of_its_own(shelf: Shelf, base: VoiceManifest, prompt: Path) -> None:
    lexicon = Lexicon((Entry("Anna", "en", respelling="Ahna"),))
    anna = add_voice(shelf, wanted(lexicon=lexicon), [prompt])
    folder = shelf.folder(anna)
    assert folder is not None
    assert read_lexicon((folder / FILE).read_bytes()) == lexicon
    assert FILE in anna.files
    assert anna.version != add_voice(shelf, wanted(), [prompt]).version
    for entry, fault in (
        (
            Entry("Anna", "ja", respelling="アンナ"),
            "entry 2: 'Anna': language: the voice ",
        ),
        (Entry("Anna", "en", phonemes=("XX",)), "entry 2: 'Anna': phonemes: "),
    ):
        with pytest.raises(AddingError, match=fault) as refused:
            add_voice(shelf, wanted(lexicon=Lexicon((*lexicon.entries, entry))), [prompt])
        assert refused.value.field == "lexicon"


def test_the_same_again_is_the_same_version(shelf: Shelf, base: VoiceManifest, prompt: Path) -> None:
    assert add_voice(shelf, wanted(), [prompt]) == add_voice(shelf, wanted(), [prompt])


def test_a_clone_of_a_clone_stands_on_the_weights_themselves(
    shelf: Shelf, base: VoiceManifest, prompt: Path, tmp_path: Path
) -> None:
    add_voice(shelf, wanted(), [prompt])
    other = write_wav(tmp_path / "other.wav", spoken()[:-3200])
    bert = add_voice(shelf, wanted(name="bert", base="anna", consent="Bert agreed"), [other])
    assert bert.base == f"base@{base.version}"
    shelf.remove("anna")
    assert shelf.source(bert).weights == shelf.folder(base)


def test_a_voice_may_bring_its_own_weights(shelf: Shelf, prompt: Path, tmp_path: Path) -> None:
    semantic, decoder = write_weights(tmp_path / "own", "v2Pro")
    anna = add_voice(shelf, wanted(base=""), [prompt], {SEMANTIC: semantic, DECODER: decoder})
    assert anna.base == ""
    assert anna.languages == ("en", "ja", "ko", "yue", "zh")
    assert shelf.source(anna).weights == shelf.folder(anna)
    shelf.require_consent(anna)


def test_a_tenants_clone_stands_on_a_base_for_everybody(
    shelf: Shelf, base: VoiceManifest, prompt: Path
) -> None:
    alice = shelf.of(new_id())
    anna = add_voice(alice, wanted(), [prompt])
    assert alice.source(anna).weights == shelf.folder(base)
    assert "anna" not in [found.name for found in shelf.list()]


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"name": "Anna"}, "name", "must be 1 to 64 lower-case letters"),
        ({"name": "../x"}, "name", "must be 1 to 64 lower-case letters"),
        ({"consent": " "}, "consent", "the statement is empty"),
        ({"base": ""}, "base", "either a base or weights of its own"),
        ({"base": "bass"}, "base", "did you mean base?"),
        ({"base": "base@000000"}, "base", "is none of its versions"),
        ({"base": "draft"}, "base", "'draft' is of the family draft, which has no weights to share"),
        ({"language": "tlh"}, "language", "do not read 'tlh'"),
        ({"language": "ja"}, "transcript", "has no letter of the language 'ja'"),
        (
            {
                "language": "ja",
                "transcript": "丘の上の古い家は何年も空き家で、誰のものか誰も知りませんでした。",
            },
            "language",
            "'ja' is none of en, zh, which the weights know",
        ),
        ({"transcript": ""}, "transcript", "is empty"),
        ({"transcript": "Hi."}, "transcript", "is too short for"),
    ],
)
def test_what_will_not_do_is_one_line_that_names_the_field(
    shelf: Shelf, base: VoiceManifest, prompt: Path, changes: dict[str, str], field: str, message: str
) -> None:
    with pytest.raises(AddingError) as caught:
        add_voice(shelf, wanted(**changes), [prompt])
    assert caught.value.field == field
    assert message in caught.value.reason
    assert str(caught.value) == f"{field}: {caught.value.reason}"
    assert "\n" not in str(caught.value)
    assert [found.name for found in shelf.list() if found.family == "gpt-sovits"] == ["base"]


def test_recordings_are_refused_by_their_field(
    shelf: Shelf, base: VoiceManifest, prompt: Path, tmp_path: Path
) -> None:
    noisy = write_wav(tmp_path / "noisy.wav", spoken() + noise(spoken().size, -30))
    for prompts, message in (
        ([], "is missing"),
        ([noisy], "prompt noisy.wav: noisy: "),
        ([prompt, noisy], "prompt noisy.wav: noisy: "),
        ([prompt, prompt], "ref.wav is the same recording as one before it"),
    ):
        with pytest.raises(AddingError, match=message) as caught:
            add_voice(shelf, wanted(), prompts)
        assert caught.value.field == "prompt"


def test_weights_are_refused_by_their_part(shelf: Shelf, prompt: Path, tmp_path: Path) -> None:
    semantic, decoder = write_weights(tmp_path / "own")
    (tmp_path / "pickle").write_bytes(b"PK\x03\x04" + bytes(100))
    for weights, field, message in (
        ({SEMANTIC: semantic}, "decoder", "is missing"),
        ({DECODER: decoder}, "semantic", "is missing"),
        ({SEMANTIC: tmp_path / "pickle", DECODER: decoder}, "semantic", "is a pickle"),
        ({SEMANTIC: semantic, DECODER: tmp_path / "pickle"}, "decoder", "is a pickle"),
    ):
        with pytest.raises(AddingError, match=message) as caught:
            add_voice(shelf, wanted(base=""), [prompt], weights)
        assert caught.value.field == field
    with pytest.raises(AddingError, match="not both"):
        add_voice(shelf, wanted(), [prompt], {SEMANTIC: semantic, DECODER: decoder})


def test_a_built_in_name_is_taken(shelf: Shelf, base: VoiceManifest, prompt: Path) -> None:
    with pytest.raises(NameTakenError, match="'draft' is built in"):
        add_voice(shelf, wanted(name="draft"), [prompt])
