"""The tags of a chapter's file: what players show, and the mark that the voice is generated.

Conventions: the narrator is the composer (Audiobookshelf, Apple Books, Plex and Audible's own files agree
on this and on little else) and stands once more under his own name where a format lets us.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, COMM, ID3, TALB, TCOM, TCON, TDRC, TIT2, TLAN, TPE1, TPE2, TPUB, TRCK, TXXX
from mutagen.mp4 import MP4, AtomDataType, MP4Cover, MP4FreeForm
from mutagen.oggopus import OggOpus

from book.encode import Format
from book.structure import Cover

AI_GENERATED: Final = "AI-generated narration"
"""Stands in the comment of every file, where players show it."""
GENRE: Final = "Audiobook"
PICTURE_FRONT: Final = 3
"""ID3v2.4 section 4.14 and FLAC: the front cover."""

STIK_AUDIOBOOK: Final = 2
"""iTunes' media kind."""
FREEFORM: Final = "----:com.apple.iTunes:"

Mp4Value = str | int | tuple[int, int] | Cover

_ISO_639_2T: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ar": "ara", "bg": "bul", "ca": "cat", "cs": "ces", "da": "dan", "de": "deu", "el": "ell", "en":
        "eng", "eo": "epo", "es": "spa", "et": "est", "eu": "eus", "fa": "fas", "fi": "fin", "fr": "fra",
        "ga": "gle", "gl": "glg", "he": "heb", "hi": "hin", "hr": "hrv", "hu": "hun", "id": "ind", "is":
        "isl", "it": "ita", "ja": "jpn", "ko": "kor", "la": "lat", "lt": "lit", "lv": "lav", "nb": "nob",
        "nl": "nld", "nn": "nno", "no": "nor", "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "sk":
        "slk", "sl": "slv", "sr": "srp", "sv": "swe", "th": "tha", "tr": "tur", "uk": "ukr", "vi": "vie",
        "zh": "zho",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says of itself. An empty string or None is left out of the file."""

    title: str = ""
    """Of the chapter, or of the book for the bound book."""
    album: str = ""
    """The book's title."""
    authors: tuple[str, ...] = ()
    narrator: str = ""
    number: int = 0
    """The file's place among those of the book, from 1; 0 for none."""
    total: int = 0
    language: str = ""
    """BCP 47."""
    publisher: str = ""
    published: str = ""
    """Year or date, as the book gives it."""
    description: str = ""
    cover: Cover | None = None
    generator: str = ""
    """Program and version."""

    @property
    def author(self) -> str:
        """All authors in one string."""
        return ", ".join(self.authors)

    @property
    def year(self) -> str:
        """The four digits of the year; "" if the date does not begin with them."""
        return self.published[:4] if self.published[:4].isdecimal() and len(self.published[:4]) > 3 else ""

    @property
    def comment(self) -> str:
        """The AI mark, and who made the file."""
        return f"{AI_GENERATED}, {self.generator}" if self.generator else AI_GENERATED


def language_code(tag: str) -> str:
    """The ISO 639-2/T code of a BCP 47 tag, as MP4 and ID3 want it; "und" for one we have no code for."""
    head = tag.lower().partition("-")[0]
    if len(head) == 3 and head.isascii() and head.isalpha():
        return head
    return _ISO_639_2T.get(head, "und")


def wav_metadata(tags: Tags) -> dict[str, str]:
    """The INFO chunk of a WAV file under libav's names; written by the muxer, since no tag may follow the
    sound."""
    entries = {
        "title": tags.title,
        "artist": tags.author,
        "album": tags.album,
        "genre": GENRE,
        "date": tags.published,
        "track": str(tags.number) if tags.number else "",
        "comment": f"{tags.comment}; narrator: {tags.narrator}" if tags.narrator else tags.comment,
    }
    return {name: value for name, value in entries.items() if value}


def write_tags(path: Path, format: Format, tags: Tags) -> None:
    """Put the tags into a finished file. A WAV has them already (`wav_metadata`)."""
    match format:
        case Format.MP3:
            _write_id3(path, tags)
        case Format.FLAC:
            flac = FLAC(path)
            for name, values in _vorbis_comments(tags).items():
                flac[name] = values
            if tags.cover:
                flac.add_picture(_picture(tags.cover))
            flac.save()
        case Format.OPUS:
            opus = OggOpus(path)
            for name, values in _vorbis_comments(tags).items():
                opus[name] = values
            if tags.cover:
                opus["METADATA_BLOCK_PICTURE"] = [_picture_text(tags.cover)]
            opus.save()
        case Format.M4B:
            mp4 = MP4(path)
            for name, value in mp4_entries(tags):
                mp4[name] = [_mutagen_value(value, freeform=name.startswith(FREEFORM))]
            mp4.save()
        case Format.WAV:
            pass


def _write_id3(path: Path, tags: Tags) -> None:
    """ID3v2.4, UTF-8."""
    id3 = ID3()
    utf8 = 3
    number = f"{tags.number}/{tags.total}" if tags.total else str(tags.number)
    for frame, value in (
        (TIT2, tags.title),
        (TALB, tags.album),
        (TPE2, tags.author),
        (TCOM, tags.narrator),
        (TCON, GENRE),
        (TPUB, tags.publisher),
        (TDRC, tags.year),
        (TRCK, number if tags.number else ""),
        (TLAN, language_code(tags.language) if tags.language else ""),
    ):
        if value:
            id3.add(frame(encoding=utf8, text=[value]))
    if tags.authors:
        id3.add(TPE1(encoding=utf8, text=list(tags.authors)))
    if tags.narrator:
        id3.add(TXXX(encoding=utf8, desc="NARRATOR", text=[tags.narrator]))
    id3.add(TXXX(encoding=utf8, desc="AI_GENERATED", text=["true"]))
    id3.add(COMM(encoding=utf8, lang="eng", desc="", text=[tags.comment]))
    if tags.cover:
        id3.add(
            APIC(
                encoding=utf8,
                mime=tags.cover.media_type,
                type=PICTURE_FRONT,
                desc="",
                data=tags.cover.content,
            )
        )
    id3.save(path, v1=0, v2_version=4, padding=lambda _: 0)


def _vorbis_comments(tags: Tags) -> dict[str, list[str]]:
    entries = {
        "TITLE": [tags.title],
        "ALBUM": [tags.album],
        "ARTIST": list(tags.authors),
        "ALBUMARTIST": [tags.author],
        "COMPOSER": [tags.narrator],
        "NARRATOR": [tags.narrator],
        "GENRE": [GENRE],
        "DATE": [tags.published],
        "ORGANIZATION": [tags.publisher],
        "LANGUAGE": [tags.language],
        "TRACKNUMBER": [str(tags.number) if tags.number else ""],
        "TRACKTOTAL": [str(tags.total) if tags.total else ""],
        "COMMENT": [tags.comment],
        "AI_GENERATED": ["true"],
    }
    return {name: values for name, values in entries.items() if any(values)}


def _picture(cover: Cover) -> Picture:
    picture = Picture()
    picture.type = PICTURE_FRONT
    picture.mime = cover.media_type
    picture.data = cover.content
    return picture


def _picture_text(cover: Cover) -> str:
    return b64encode(_picture(cover).write()).decode("ascii")


def mp4_entries(tags: Tags) -> list[tuple[str, Mp4Value]]:
    """The entries of an `ilst` atom by name, for a chapter and for the bound book; mutagen's names."""
    texts = (
        ("\xa9nam", tags.title),
        ("\xa9alb", tags.album),
        ("\xa9ART", tags.author),
        ("aART", tags.author),
        ("\xa9wrt", tags.narrator),
        ("\xa9nrt", tags.narrator),
        ("\xa9gen", GENRE),
        ("\xa9day", tags.published),
        ("\xa9pub", tags.publisher),
        ("desc", tags.description),
        ("\xa9cmt", tags.comment),
        ("\xa9too", tags.generator),
        (f"{FREEFORM}AI_GENERATED", "true"),
        (f"{FREEFORM}NARRATOR", tags.narrator),
        (f"{FREEFORM}LANGUAGE", tags.language),
    )
    entries: list[tuple[str, Mp4Value]] = [(name, text) for name, text in texts if text]
    entries.append(("stik", STIK_AUDIOBOOK))
    if tags.number:
        entries.append(("trkn", (tags.number, tags.total)))
    if tags.cover:
        entries.append(("covr", tags.cover))
    return entries


def _mutagen_value(value: Mp4Value, *, freeform: bool) -> object:
    match value:
        case Cover():
            png = value.media_type == "image/png"
            return MP4Cover(value.content, MP4Cover.FORMAT_PNG if png else MP4Cover.FORMAT_JPEG)
        case str() if freeform:
            return MP4FreeForm(value.encode(), AtomDataType.UTF8)
    return value
