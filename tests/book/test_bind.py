from __future__ import annotations

import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from mutagen.mp4 import MP4, MP4Cover

from book.bind import Bound, BoundBook, Member, bind_m4b, bind_zip, file_name
from book.encode import Format, encoding_of
from book.errors import MasteringError
from book.master import Mastered, master
from book.profiles import EBU_R128, PODCAST
from book.sound import Writer
from book.structure import Cover
from book.subtitles import shifted
from book.tags import AI_GENERATED, Tags
from book.track import LEAD_SECONDS, TRAIL_SECONDS, Cue, Spoken, join
from tests.book.speaking import RATE, blocks_of, chapter, speech, whole

PNG = Cover("image/png", b"\x89PNG\r\n\x1a\n" + bytes(3000))
JPEG = Cover("image/jpeg", b"\xff\xd8\xff\xe0" + bytes(3000) + b"\xff\xd9")
TITLES = ("Loomings", "第二回 🎈 / “odd” <title>", "", "A" * 400, "Étude — ß")
TAGS = Tags(
    title="Moby-Dick",
    album="Moby-Dick",
    authors=("Herman Melville", "Another"),
    narrator="Nora",
    language="en",
    publisher="Harper",
    published="1851",
    description="A whale.",
    cover=PNG,
    generator="Lectorium 0.1.0",
)


@pytest.fixture(scope="module")
def chapters(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Mastered, tuple[Cue, ...]]]:
    """Five chapters of different length, none of it a whole number of packets."""
    folder = tmp_path_factory.mktemp("chapters")
    made = []
    for number in range(len(TITLES)):
        cues = chapter(folder / "track.flac", 2 + number % 2, seconds=1.1 + 0.37 * number, seed=number)
        path = folder / f"{number}.m4a"
        made.append((master(folder / "track.flac", profile=PODCAST, format=Format.M4B, path=path), cues))
    return made


def bound(chapters: list[tuple[Mastered, tuple[Cue, ...]]], path: Path, tags: Tags = TAGS) -> BoundBook:
    sources = [Bound(title, made.path) for title, (made, _) in zip(TITLES, chapters, strict=True)]
    return bind_m4b(sources, tags=tags, path=path)


def tiny_chapter(path: Path, seconds: float = 0.1, rate: int = 44_100) -> Path:
    with Writer(path, encoding_of(Format.M4B, PODCAST), rate) as writer:
        writer.write(np.zeros(round(seconds * rate), np.float32))
    return path


def test_a_bound_book_decodes_to_exactly_its_chapters_samples(chapters: list, tmp_path: Path) -> None:
    book = bound(chapters, tmp_path / "x.m4b")
    samples = whole(book.path)
    rate = chapters[0][0].sample_rate
    assert samples.size == sum(made.n_samples for made, _ in chapters) == round(book.duration_seconds * rate)
    for start_seconds, (made, _) in zip(book.starts_seconds, chapters, strict=True):
        start = round(start_seconds * rate)
        np.testing.assert_array_equal(samples[start : start + made.n_samples], whole(made.path))


def test_marks_and_subtitles_are_right_to_50_ms_in_the_decoded_book(tmp_path: Path) -> None:
    """Bursts of tone, whose ends are sharp: the kept lead and trail are all that may lie between."""
    sources, expected = [], []
    for number in range(6):
        seconds = 0.31 + 0.11 * number
        burst = (0.3 * np.sin(np.arange(round(seconds * RATE)) / 8)).astype(np.float32)
        spoken = [Spoken(np.pad(burst, 3000), "sentence", f"{number}.{n}") for n in range(3)]
        cues = join(spoken, sample_rate=RATE, path=tmp_path / "track.flac")
        path = tmp_path / f"{number}.m4a"
        made = master(tmp_path / "track.flac", profile=PODCAST, format=Format.M4B, path=path)
        sources.append(Bound(f"Chapter {number}", path))
        expected.append((made, cues))
    book = bind_m4b(sources, tags=TAGS, path=tmp_path / "x.m4b")
    samples = np.abs(whole(book.path))
    rate = expected[0][0].sample_rate
    loud = np.flatnonzero(samples > 0.05) / rate
    for start, (made, cues) in zip(book.starts_seconds, expected, strict=True):
        assert samples[round(start * rate) :][: round(0.5 * rate)].max() < 1e-3, "a mark stands in silence"
        for cue in shifted(cues, start + made.sound_starts_seconds):
            heard = loud[(loud > cue.start_seconds - 0.2) & (loud < cue.end_seconds + 0.2)]
            assert heard[0] == pytest.approx(cue.start_seconds + LEAD_SECONDS, abs=0.012)
            assert heard[-1] == pytest.approx(cue.end_seconds - TRAIL_SECONDS, abs=0.012)


def test_libav_reads_marks_tags_language_and_cover(chapters: list, tmp_path: Path) -> None:
    book = bound(chapters, tmp_path / "x.m4b")
    with av.open(str(book.path)) as container:
        marks = container.chapters()
        metadata = container.metadata
        audio = container.streams.audio[0]
        assert container.duration / 1e6 == pytest.approx(book.duration_seconds, abs=0.001)
        assert audio.metadata["language"] == "eng"
        assert len(container.streams.video) == 1
    starts = [float(mark["start"] * mark["time_base"]) for mark in marks]
    assert starts == pytest.approx(list(book.starts_seconds), abs=0.0006)
    assert [mark["metadata"].get("title", "") for mark in marks] == list(TITLES)
    assert metadata["major_brand"] == "M4B "
    assert metadata["title"] == metadata["album"] == "Moby-Dick"
    assert metadata["artist"] == metadata["album_artist"] == "Herman Melville, Another"
    assert metadata["composer"] == "Nora"
    assert metadata["genre"] == "Audiobook"
    assert metadata["media_type"] == "2"
    assert metadata["comment"].startswith(AI_GENERATED)
    assert metadata["AI_GENERATED"] == "true"


def test_mutagen_reads_neros_marks_tags_and_cover(chapters: list, tmp_path: Path) -> None:
    book = bound(chapters, tmp_path / "x.m4b")
    file = MP4(book.path)
    assert [mark.start for mark in file.chapters] == pytest.approx(list(book.starts_seconds), abs=1e-6)
    assert [mark.title for mark in file.chapters] == [title[:255] for title in TITLES]
    assert file.info.length == pytest.approx(book.duration_seconds, abs=0.03)
    assert file.info.codec == "mp4a.40.2"
    assert file.tags["\xa9nrt"] == file.tags["\xa9wrt"] == ["Nora"]
    assert file.tags["\xa9pub"] == ["Harper"]
    assert file.tags["stik"] == [2]
    assert bytes(file.tags["covr"][0]) == PNG.content
    assert file.tags["covr"][0].imageformat == MP4Cover.FORMAT_PNG


def test_mutagen_can_change_a_tag_without_harming_the_sound(chapters: list, tmp_path: Path) -> None:
    """Users edit tags; what they use must understand our boxes, offsets included."""
    book = bound(chapters, tmp_path / "x.m4b")
    before = whole(book.path)
    file = MP4(book.path)
    file.tags["\xa9nam"] = ["A much longer title " * 200]
    file.save()
    np.testing.assert_array_equal(whole(book.path), before)


@pytest.mark.parametrize("cover", [None, JPEG, PNG])
def test_a_book_may_have_no_cover_or_author(chapters: list, tmp_path: Path, cover: Cover | None) -> None:
    book = bound(chapters, tmp_path / "x.m4b", Tags(title="Anonymous", cover=cover))
    file = MP4(book.path)
    assert "\xa9ART" not in file.tags
    assert ("covr" in file.tags) == (cover is not None)
    assert file.tags["\xa9cmt"] == [AI_GENERATED]


def test_the_index_stands_before_the_sound(chapters: list, tmp_path: Path) -> None:
    content = bound(chapters, tmp_path / "x.m4b").path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_same_chapters_give_the_same_bytes(chapters: list, tmp_path: Path) -> None:
    one, two = bound(chapters, tmp_path / "one"), bound(chapters, tmp_path / "two")
    assert one.sha256 == two.sha256
    assert one.path.read_bytes() == two.path.read_bytes()


def test_three_hundred_chapters_have_three_hundred_marks(tmp_path: Path) -> None:
    """Libav reads the text track; the older list, which mutagen reads, ends after 255."""
    source = tiny_chapter(tmp_path / "tiny.m4a")
    titles = [f"Chapter {number} ♦" for number in range(1, 301)]
    book = bind_m4b([Bound(title, source) for title in titles], tags=TAGS, path=tmp_path / "x.m4b")
    with av.open(str(book.path)) as container:
        marks = container.chapters()
    assert [mark["metadata"]["title"] for mark in marks] == titles
    starts = [float(mark["start"] * mark["time_base"]) for mark in marks]
    assert starts == pytest.approx(list(book.starts_seconds), abs=0.0006)
    assert [mark.title for mark in MP4(book.path).chapters] == titles[:255]
    assert whole(book.path).size == round(book.duration_seconds * 44_100)


def test_a_book_of_one_chapter_is_bound(tmp_path: Path) -> None:
    book = bind_m4b([Bound("Only", tiny_chapter(tmp_path / "t.m4a"))], tags=Tags(), path=tmp_path / "x.m4b")
    assert whole(book.path).size == round(book.duration_seconds * 44_100)
    assert book.starts_seconds == (0.0,)


def test_chapters_encoded_differently_are_refused(tmp_path: Path) -> None:
    sources = [
        Bound("1", tiny_chapter(tmp_path / "a.m4a")),
        Bound("2", tiny_chapter(tmp_path / "b.m4a", rate=48_000)),
    ]
    with pytest.raises(MasteringError, match=r"b\.m4a: encoded otherwise"):
        bind_m4b(sources, tags=Tags(), path=tmp_path / "x.m4b")
    assert not (tmp_path / "x.m4b").exists()


def test_what_is_no_chapter_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(MasteringError, match="no chapter"):
        bind_m4b([], tags=Tags(), path=tmp_path / "x.m4b")
    (tmp_path / "text.m4a").write_bytes(b"text")
    with pytest.raises(MasteringError, match=r"^text\.m4a: "):
        bind_m4b([Bound("1", tmp_path / "text.m4a")], tags=Tags(), path=tmp_path / "x.m4b")
    chapter(tmp_path / "track.flac", 1)
    master(tmp_path / "track.flac", profile=EBU_R128, format=Format.FLAC, path=tmp_path / "x.flac")
    with pytest.raises(MasteringError, match=r"x\.flac: is not a chapter encoded as AAC"):
        bind_m4b([Bound("1", tmp_path / "x.flac")], tags=Tags(), path=tmp_path / "x.m4b")


def test_a_chapter_cut_off_in_its_sound_is_an_error_and_leaves_no_book(tmp_path: Path) -> None:
    """An index before the sound tells more than the file holds."""
    whole_book = bind_m4b(
        [Bound("1", tiny_chapter(tmp_path / "t.m4a", 5.0))], tags=Tags(), path=tmp_path / "whole.m4a"
    )
    cut = tmp_path / "cut.m4a"
    cut.write_bytes(whole_book.path.read_bytes()[:-100])
    with pytest.raises(MasteringError, match=r"cut\.m4a: "):
        bind_m4b([Bound("1", cut)], tags=Tags(), path=tmp_path / "x.m4b")
    assert not (tmp_path / "x.m4b").exists()


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Loomings", "07 - Loomings.mp3"),
        ('What? A/B\\C: <*>|"', "07 - What_ A_B_C_ _____.mp3"),
        ("The End...", "07 - The End.mp3"),
        ("  two\n lines\t", "07 - two lines.mp3"),
        ("", "07.mp3"),
        ("第一章 🎈👩‍🚀", "07 - 第一章 🎈👩‍🚀.mp3"),
        ("e\u0301", "07 - é.mp3"),
        ("evil\u202egpj.exe\x00", "07 - evilgpj.exe.mp3"),
        ("CON", "07 - CON.mp3"),
        ("../../etc/passwd", "07 - .._.._etc_passwd.mp3"),
    ],
)
def test_file_name_is_one_every_file_system_takes(title: str, name: str) -> None:
    assert file_name(7, 12, title, ".mp3") == name


@pytest.mark.parametrize("title", ["x" * 1000, "漢" * 1000, "🎈" * 1000])
def test_file_name_of_a_very_long_title_fits_and_is_whole_characters(title: str) -> None:
    name = file_name(7, 12, title, ".opus")
    assert len(name.encode()) <= 145
    assert name.startswith(f"07 - {title[0]}")
    assert set(name.removeprefix("07 - ").removesuffix(".opus")) == {title[0]}


def test_file_names_sort_in_the_order_of_the_book() -> None:
    names = [file_name(number, 300, "x", ".mp3") for number in range(1, 301)]
    assert names == sorted(names)
    assert names[0] == "001 - x.mp3"


def test_zip_stores_files_in_order_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    sound = tmp_path / "a.bin"
    sound.write_bytes(np.random.default_rng(1).bytes(3_000_000))
    members = [Member("02 - b.mp3", sound), Member("01 - 第一章.mp3", sound), Member("manifest.json", b"{}")]
    one = bind_zip(members, path=tmp_path / "one.zip")
    sound.touch()
    assert bind_zip(members, path=tmp_path / "two.zip") == one
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [member.name for member in members]
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read("02 - b.mp3") == sound.read_bytes()
        assert archive.read("manifest.json") == b"{}"


@pytest.mark.parametrize("names", [("a", "a"), ("/etc/passwd",), ("../x",), ("a/../../x",), ("",)])
def test_zip_refuses_names_that_repeat_or_lead_out(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="cannot be a name in a zip"):
        bind_zip([Member(name, b"x") for name in names], path=tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_zip_leaves_nothing_when_a_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bind_zip([Member("a", tmp_path / "absent")], path=tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_chapters_of_every_format_go_into_a_zip(tmp_path: Path) -> None:
    chapter(tmp_path / "track.flac", 1)
    for format in (Format.MP3, Format.FLAC, Format.OPUS, Format.WAV):
        made = master(tmp_path / "track.flac", profile=PODCAST, format=format, path=tmp_path / f"x.{format}")
        bind_zip([Member(file_name(1, 1, "One", made.path.suffix), made.path)], path=tmp_path / "x.zip")
        with zipfile.ZipFile(tmp_path / "x.zip") as archive:
            assert archive.read(f"01 - One.{format}") == made.path.read_bytes()


def test_speech_is_not_silence() -> None:
    """The signal these tests rest on."""
    assert np.abs(np.concatenate(list(blocks_of(speech(1.0))))).max() == pytest.approx(0.4, rel=1e-3)
