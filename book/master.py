"""A chapter track becomes a delivered file: one gain, a limiter for the rest, head and tail, encoded,
measured again.

The figures that count are those of the encoded file. If they miss the profile, gain and ceiling are
corrected once by what was missed; if they miss it again, the chapter fails and the message gives figure and
limit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

from book.encode import AAC_FRAME, DELIVERIES, Format, encoding_of, rate_of
from book.errors import MasteringError
from book.limiter import Limiter, amplitude
from book.loudness import SILENCE_DB, Figures, measure
from book.profiles import Profile
from book.rehearsal import Rehearsed, excerpts, rehearse
from book.sound import BLOCK, Block, Source, Writer, reblocked, resampled, silence
from book.tags import Tags, wav_metadata, write_tags
from book.track import Cue

LARGEST_GAIN_DB: Final = 30.0
"""A track that needs more holds no speech at a speaking level; its noise would be raised instead."""
MOST_PASSES: Final = 4
"""Speech needs one, or two where its peaks are limited: a lower ceiling takes a little loudness, which a
third gives back. What still misses has no room between loudness and peak limit."""
PEAK_CORRECTION_DB: Final = 0.3
"""Put on top of what a peak missed by: the second encoding does not overshoot exactly as the first did."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a track that becomes one file: all of it, unless a profile limits the length of a file."""

    start_seconds: float
    end_seconds: float | None
    """None: to the end of the track."""
    cues: tuple[Cue, ...]
    """Those within, still counted from the start of the track."""


@dataclass(frozen=True, slots=True)
class Mastered:
    """What a chapter's file is, and what was done to it."""

    path: Path
    format: Format
    profile: str
    sample_rate: int
    n_samples: int
    """Of the decoded file."""
    n_bytes: int
    sha256: str
    sound_starts_seconds: float
    """Where in the file the track (or the part of it) begins: what its cues are shifted by."""
    gain_db: float
    """The one gain of the chapter."""
    limited_samples: int
    """Samples the limiter lowered."""
    limited_db: float
    """By how much, at most."""
    passes: int
    """Encodings it took: 1, and one more each time the encoded file missed the profile."""
    figures: Figures
    """Of the encoded file; but `voice_floor_dbfs` is the track's at this gain, since codecs smear silence."""

    @property
    def duration_seconds(self) -> float:
        """Length of the file."""
        return self.n_samples / self.sample_rate


def parts(cues: Sequence[Cue], *, profile: Profile, format: Format) -> tuple[Part, ...]:
    """The files a track is delivered in: one, or several where the profile limits their length.

    A long track is divided after a paragraph, heading or section break, and after a sentence only where no
    such place lies in the second half of the file. The pause at the division is left out: tail and head
    stand for it. An m4b is one file whatever its chapters' length, and is never divided.
    """
    limit = profile.longest_file_seconds
    if limit is None or format is Format.M4B or not cues:
        return (Part(0.0, None, tuple(cues)),)
    room = limit - profile.head_seconds - profile.tail_seconds
    found: list[Part] = []
    first = 0
    while cues[-1].end_seconds - cues[first].start_seconds > room:
        last = _division(cues, first, room)
        found.append(Part(cues[first].start_seconds, cues[last].end_seconds, tuple(cues[first : last + 1])))
        first = last + 1
    found.append(Part(cues[first].start_seconds if found else 0.0, None, tuple(cues[first:])))
    return tuple(found)


def _division(cues: Sequence[Cue], first: int, room: float) -> int:
    """The cue after which to divide."""
    start = cues[first].start_seconds
    fitting = [n for n in range(first, len(cues)) if cues[n].end_seconds - start <= room]
    if not fitting:
        raise MasteringError(
            f"an utterance of {cues[first].end_seconds - start:.0f} s is longer than a file may be"
        )
    for wanted in ({"paragraph", "heading", "break"}, {"sentence"}):
        late = [n for n in fitting if cues[n].boundary in wanted and cues[n].end_seconds - start > room / 2]
        if late:
            return late[-1]
    return fitting[-1]


def master(
    track: Path,
    *,
    profile: Profile,
    format: Format,
    path: Path,
    tags: Tags | None = None,
    part: Part | None = None,
) -> Mastered:
    """Bring a chapter track (or a part of it) to its profile and encode it to `path`.

    Head and tail are digital silence. The pauses inside the track are, too, so there is no room tone to
    match, and a noise made for the occasion would be one that the voice never had. The same track, profile,
    format and tags give the same bytes.

    Raises MasteringError, naming the figure and the limit, if the sound is silent or the encoded file does
    not measure what its profile asks; no file is left at `path` then.
    """
    work = _Work(Source.open(track), profile, format, path, tags or Tags(), part)
    before = work.before()
    gain_db = _first_gain(before, profile)
    ceiling_db = profile.peak_limit - DELIVERIES[format].headroom_db
    slope = 1.0
    if profile.loudness is not None and _peak(before, profile) + gain_db > ceiling_db:
        found = work.rehearsed(gain_db, ceiling_db, before.duration_seconds)
        gain_db, slope = found.gain_db, found.slope
    passes = 1
    limiter, encoded, after = work.delivered(gain_db, ceiling_db)
    while (faults := faults_of(after, profile)) and passes < MOST_PASSES:
        level, peak = _level(after, profile), _peak(after, profile)
        if level is not None:
            gain_db += (profile.target - level) / slope
        if peak > profile.peak_limit:
            ceiling_db -= peak - profile.peak_limit + PEAK_CORRECTION_DB
        passes += 1
        limiter, encoded, after = work.delivered(gain_db, ceiling_db)
    if faults:
        path.unlink()
        raise MasteringError(f"profile {profile.name} is missed: {'; '.join(faults)}")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Mastered(
        path=path,
        format=format,
        profile=profile.name,
        sample_rate=encoded.sample_rate,
        n_samples=round(after.duration_seconds * encoded.sample_rate),
        n_bytes=path.stat().st_size,
        sha256=sha256,
        sound_starts_seconds=work.n_head / work.rate,
        gain_db=round(gain_db, 2),
        limited_samples=limiter.n_touched,
        limited_db=limiter.reduction_db,
        passes=passes,
        figures=replace(after, voice_floor_dbfs=_raised(before.voice_floor_dbfs, gain_db)),
    )


class _Work:
    """One chapter on the bench: its source, where it goes, and the lengths of head and tail."""

    def __init__(
        self,
        source: Source,
        profile: Profile,
        format: Format,
        path: Path,
        tags: Tags,
        part: Part | None,
    ) -> None:
        self.rate = rate_of(format, profile, source.sample_rate)
        self.n_head = round(profile.head_seconds * self.rate)
        self._n_tail = round(profile.tail_seconds * self.rate)
        self._source = source
        self._profile = profile
        self._format = format
        self._path = path
        self._tags = tags
        self._first, self._end = 0, None
        if part is not None:
            self._first = round(part.start_seconds * source.sample_rate)
            if part.end_seconds is not None:
                self._end = round(part.end_seconds * source.sample_rate)

    def _sound(self) -> Iterator[Block]:
        """The track's own sound at the file's rate."""
        decoded = self._source.blocks(self._first, self._end)
        return reblocked(resampled(decoded, self._source.sample_rate, self.rate), BLOCK)

    def before(self) -> Figures:
        """What the file would measure without any gain, at the track's own rate.

        Head and tail are measured with it, for they count in the RMS of a file. They also make even the
        shortest utterance long enough for BS.1770-4, which knows no loudness of less than one block of 0.4 s.
        """
        rate = self._source.sample_rate
        return measure(
            chain(
                silence(round(self._profile.head_seconds * rate)),
                self._source.blocks(self._first, self._end),
                silence(round(self._profile.tail_seconds * rate)),
            ),
            rate,
        )

    def rehearsed(self, gain_db: float, ceiling_db: float, seconds: float) -> Rehearsed:
        """The gain that reaches the target although peaks are limited, found on excerpts of the track."""
        rate = self._source.sample_rate
        sound = excerpts(self._source.blocks(self._first, self._end), round(seconds * rate), rate)
        return rehearse(
            sound, rate, gain_db=gain_db, ceiling_db=ceiling_db, level=partial(_level, profile=self._profile)
        )

    def delivered(self, gain_db: float, ceiling_db: float) -> tuple[Limiter, Source, Figures]:
        """Write the file and measure it as a listener's player will decode it; the limiter tells what it
        did."""
        limiter = self._encode(gain_db, ceiling_db)
        write_tags(self._path, self._format, self._tags)
        encoded = Source.open(self._path)
        return limiter, encoded, measure(encoded.blocks(), encoded.sample_rate)

    def _encode(self, gain_db: float, ceiling_db: float) -> Limiter:
        factor = amplitude(gain_db)
        limiter = Limiter(self.rate, ceiling_db)
        metadata = wav_metadata(self._tags) if self._format is Format.WAV else None
        with Writer(self._path, encoding_of(self._format, self._profile), self.rate, metadata) as writer:
            for block in silence(self.n_head):
                writer.write(block)
            for block in limiter.limited(block * factor for block in self._sound()):
                writer.write(block)
            n_tail = self._n_tail
            if self._format is Format.M4B:  # whole packets, so that chapters can follow one another
                n_tail += -(writer.n_samples + n_tail) % AAC_FRAME
            for block in silence(n_tail):
                writer.write(block)
        return limiter


def _raised(level_db: float, gain_db: float) -> float:
    return level_db if level_db == SILENCE_DB else round(level_db + gain_db, 2)


def _level(figures: Figures, profile: Profile) -> float | None:
    """The figure that the profile's target is about."""
    return figures.rms_dbfs if profile.loudness == "rms" else figures.integrated_lufs


def _peak(figures: Figures, profile: Profile) -> float:
    return figures.true_peak_dbtp if profile.peak_is_true else figures.peak_dbfs


def _first_gain(before: Figures, profile: Profile) -> float:
    """The gain that brings the unlimited sound to its target. Silence is never amplified."""
    level = _level(before, profile)
    if before.integrated_lufs is None or level is None:
        raise MasteringError("the chapter is silent: nothing in it passes the gate of -70 LUFS (BS.1770-4)")
    if profile.loudness is None:
        return 0.0
    gain_db = profile.target - level
    if gain_db > LARGEST_GAIN_DB:
        raise MasteringError(
            f"the chapter measures {level:.1f} dB and would need {gain_db:+.1f} dB of gain; "
            f"more than {LARGEST_GAIN_DB:g} dB would raise noise, not speech"
        )
    return gain_db


def faults_of(figures: Figures, profile: Profile) -> list[str]:
    """What of the figures lies outside the profile, each with its limit; empty if nothing does."""
    faults = []
    if profile.loudness is not None:
        level = _level(figures, profile)
        name, unit = ("RMS", "dBFS") if profile.loudness == "rms" else ("integrated loudness", "LUFS")
        if level is None or not profile.lowest <= level <= profile.highest:
            shown = "none" if level is None else f"{level:.2f} {unit}"
            faults.append(f"{name} {shown}, allowed {profile.lowest:g} to {profile.highest:g}")
        peak = _peak(figures, profile)
        if peak > profile.peak_limit:
            name, unit = ("true peak", "dBTP") if profile.peak_is_true else ("peak", "dBFS")
            faults.append(f"{name} {peak:.2f} {unit}, allowed {profile.peak_limit:g}")
    if profile.noise_limit is not None and figures.noise_floor_dbfs > profile.noise_limit:
        faults.append(f"noise floor {figures.noise_floor_dbfs:.2f} dBFS RMS, allowed {profile.noise_limit:g}")
    for name, seconds, allowed in (
        ("head", figures.head_seconds, profile.head_range),
        ("tail", figures.tail_seconds, profile.tail_range),
    ):
        if allowed is not None and not allowed[0] <= seconds <= allowed[1]:
            faults.append(f"{name} {seconds:.2f} s of room tone, allowed {allowed[0]:g} to {allowed[1]:g}")
    limit = profile.longest_file_seconds
    if limit is not None and figures.duration_seconds > limit:
        faults.append(f"{figures.duration_seconds / 60:.1f} minutes in one file, allowed {limit / 60:g}")
    return faults
