from __future__ import annotations

from pathlib import Path

import av
import pytest
from mutagen.flac import FLAC
from mutagen.id3 import ID3
from mutagen.mp4 import MP4
from mutagen.oggopus import OggOpus

from book.encode import Format, encoding_of
from book.profiles import NONE
from book.sound import Writer
from book.structure import Cover
from book.tags import AI_GENERATED, Tags, language_code, wav_metadata, write_tags
from tests.book.speaking import blocks_of, speech, whole

JPEG = Cover("image/jpeg", b"\xff\xd8\xff\xe0" + bytes(70_000) + b"\xff\xd9")
FULL = Tags(
    title="第一章 🎈",
    album="Moby-Dick; or, The Whale",
    authors=("Herman Melville", "Étienne Ōe"),
    narrator="Nora",
    number=3,
    total=135,
    language="en-us",
    publisher="Harper",
    published="1851-10-18",
    description="A whale.",
    cover=JPEG,
    generator="Lectorium 0.1.0",
)


def tagged(path: Path, format: Format, tags: Tags) -> Path:
    metadata = wav_metadata(tags) if format is Format.WAV else None
    with Writer(path, encoding_of(format, NONE), 48_000, metadata) as writer:
        for block in blocks_of(speech(1.0)):
            writer.write(block)
    write_tags(path, format, tags)
    return path


def test_mp3_has_every_tag_in_id3v2_4(tmp_path: Path) -> None:
    id3 = ID3(tagged(tmp_path / "x.mp3", Format.MP3, FULL))
    assert id3.version == (2, 4, 0)
    assert id3["TIT2"].text == ["第一章 🎈"]
    assert id3["TALB"].text == ["Moby-Dick; or, The Whale"]
    assert id3["TPE1"].text == ["Herman Melville", "Étienne Ōe"]
    assert id3["TPE2"].text == ["Herman Melville, Étienne Ōe"]
    assert id3["TCOM"].text == id3["TXXX:NARRATOR"].text == ["Nora"]
    assert id3["TRCK"].text == ["3/135"]
    assert id3["TCON"].text == ["Audiobook"]
    assert id3["TLAN"].text == ["eng"]
    assert [str(stamp) for stamp in id3["TDRC"].text] == ["1851"]
    assert id3["TXXX:AI_GENERATED"].text == ["true"]
    assert id3["COMM::eng"].text == [f"{AI_GENERATED}, Lectorium 0.1.0"]
    assert id3.getall("APIC")[0].data == JPEG.content


@pytest.mark.parametrize(("format", "opened"), [(Format.FLAC, FLAC), (Format.OPUS, OggOpus)])
def test_flac_and_opus_have_every_tag_as_vorbis_comments(
    tmp_path: Path, format: Format, opened: type
) -> None:
    comments = opened(tagged(tmp_path / f"x.{format}", format, FULL))
    assert comments["title"] == ["第一章 🎈"]
    assert comments["artist"] == ["Herman Melville", "Étienne Ōe"]
    assert comments["narrator"] == comments["composer"] == ["Nora"]
    assert comments["tracknumber"] == ["3"]
    assert comments["tracktotal"] == ["135"]
    assert comments["date"] == ["1851-10-18"]
    assert comments["ai_generated"] == ["true"]
    assert comments["comment"] == [f"{AI_GENERATED}, Lectorium 0.1.0"]
    if format is Format.FLAC:
        assert comments.pictures[0].data == JPEG.content
    else:
        assert len(comments["metadata_block_picture"][0]) > len(JPEG.content)


def test_m4a_has_every_tag(tmp_path: Path) -> None:
    atoms = MP4(tagged(tmp_path / "x.m4a", Format.M4B, FULL)).tags
    assert atoms["\xa9nam"] == ["第一章 🎈"]
    assert atoms["\xa9ART"] == ["Herman Melville, Étienne Ōe"]
    assert atoms["\xa9wrt"] == atoms["\xa9nrt"] == ["Nora"]
    assert atoms["trkn"] == [(3, 135)]
    assert atoms["stik"] == [2]
    assert [bytes(value) for value in atoms["----:com.apple.iTunes:AI_GENERATED"]] == [b"true"]
    assert bytes(atoms["covr"][0]) == JPEG.content


def test_wav_has_its_tags_in_the_info_chunk(tmp_path: Path) -> None:
    path = tagged(tmp_path / "x.wav", Format.WAV, FULL)
    with av.open(str(path)) as container:
        metadata = container.metadata
    assert metadata["title"] == "第一章 🎈"
    assert metadata["artist"] == "Herman Melville, Étienne Ōe"
    assert metadata["comment"] == f"{AI_GENERATED}, Lectorium 0.1.0; narrator: Nora"
    assert metadata["genre"] == "Audiobook"


@pytest.mark.parametrize("format", list(Format))
def test_every_format_says_that_the_voice_is_generated_even_when_nothing_else_is_known(
    tmp_path: Path, format: Format
) -> None:
    path = tagged(tmp_path / f"x.{format}", format, Tags())
    with av.open(str(path)) as container:
        found = {**container.metadata, **container.streams.audio[0].metadata}
    assert AI_GENERATED in {name.lower(): value for name, value in found.items()}["comment"]
    assert "artist" not in {name.lower() for name in found}


@pytest.mark.parametrize("format", list(Format))
def test_tags_leave_the_sound_alone(tmp_path: Path, format: Format) -> None:
    bare = whole(tagged(tmp_path / "bare", format, Tags()))
    full = whole(tagged(tmp_path / "full", format, FULL))
    assert (bare == full).all()


@pytest.mark.parametrize(
    ("published", "year"), [("1851-10-18", "1851"), ("1999", "1999"), ("c. 1600", ""), ("", ""), ("199", "")]
)
def test_the_year_is_what_a_date_begins_with(published: str, year: str) -> None:
    assert Tags(published=published).year == year


@pytest.mark.parametrize(
    ("tag", "code"),
    [("en", "eng"), ("pt-br", "por"), ("zh-hant", "zho"), ("yue", "yue"), ("und", "und"), ("x", "und")],
)
def test_language_codes_are_those_of_iso_639_2(tag: str, code: str) -> None:
    assert language_code(tag) == code
