"""Sound as a stream of blocks: reading a file, changing its rate, writing one. Never a whole chapter at once.

A block is mono float32 `[N]`, full scale at 1. Decoders and encoders run in one thread each, with libav's
bit-exact
flags: the same samples give the same bytes on the same processor and library build.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, cast

import av
import av.error
import av.filter
import numpy as np
import numpy.typing as npt

from book.errors import MasteringError

Block = npt.NDArray[np.float32]

BLOCK: Final = 65_536
"""Samples in a block: enough for numpy to be busy, 256 kB of memory."""

FULL_SCALE: Final = {"int16": 2.0**15, "int32": 2.0**31}
"""What decoded integers are divided by; libav puts 24-bit samples into the upper bits of 32."""

RESAMPLER: Final = "filter_size=128:filter_type=kaiser:kaiser_beta=10:cutoff=0.97"
"""libswresample, stronger than its defaults: error below -100 dB up to 15 kHz from 32 to 44.1 kHz
(measured)."""


@dataclass(frozen=True, slots=True)
class Source:
    """A mono sound file that can be read again and again."""

    path: Path
    sample_rate: int

    @classmethod
    def open(cls, path: Path) -> Self:
        """The file at `path`. Raises MasteringError if it is no sound or has several channels."""
        try:
            with av.open(str(path)) as container:
                coded = container.streams.audio[0].codec_context if container.streams.audio else None
                if coded is None or not coded.channels or not coded.sample_rate:
                    raise MasteringError(f"{path.name}: holds no sound")
                if coded.channels != 1:
                    raise MasteringError(f"{path.name}: {coded.channels} channels, not one")
                return cls(path, coded.sample_rate)
        except av.error.FFmpegError as reason:
            raise MasteringError(f"{path.name}: cannot be read as sound: {reason.strerror}") from reason

    def blocks(self, first: int = 0, end: int | None = None) -> Iterator[Block]:
        """Samples `first` to `end` of the file in blocks of `BLOCK`, the last one shorter."""
        return reblocked(self._trimmed(first, end), BLOCK)

    def _trimmed(self, first: int, end: int | None) -> Iterator[Block]:
        position = 0
        for decoded in self._decoded():
            start, position = position, position + decoded.size
            if end is not None and start >= end:
                return
            wanted = decoded[max(0, first - start) : None if end is None else end - start]
            if wanted.size:
                yield wanted

    def _decoded(self) -> Iterator[Block]:
        """Every block of the file. A FLAC that has lost sound is an error: libav skips a broken frame in
        silence."""
        n_decoded, n_declared = 0, None
        try:
            with av.open(str(self.path)) as container:
                stream = container.streams.audio[0]
                stream.codec_context.thread_count = 1
                if stream.codec_context.name == "flac":
                    stream.codec_context.options = {"err_detect": "crccheck+explode"}
                    n_declared = stream.duration  # its time base is one sample
                for frame in container.decode(stream):
                    samples = frame.to_ndarray().reshape(-1)
                    n_decoded += samples.size
                    scale = FULL_SCALE.get(samples.dtype.name)
                    yield samples.astype(np.float32) if scale is None else _scaled(samples, scale)
        except av.error.FFmpegError as reason:
            raise MasteringError(f"{self.path.name}: broken sound: {reason.strerror}") from reason
        if n_declared is not None and n_decoded != n_declared:
            raise MasteringError(
                f"{self.path.name}: broken sound: {n_decoded} of {n_declared} samples are left"
            )


def _scaled(samples: npt.NDArray[np.generic], scale: float) -> Block:
    return (samples.astype(np.float64) / scale).astype(np.float32)


def reblocked(blocks: Iterable[Block], size: int) -> Iterator[Block]:
    """The same samples in blocks of `size`, the last one shorter."""
    waiting: list[Block] = []
    n_waiting = 0
    for block in blocks:
        waiting.append(block)
        n_waiting += block.size
        if n_waiting < size:
            continue
        joined = np.concatenate(waiting)
        n_whole = n_waiting - n_waiting % size
        for start in range(0, n_whole, size):
            yield joined[start : start + size]
        waiting = [joined[n_whole:]]
        n_waiting -= n_whole
    if n_waiting:
        yield np.concatenate(waiting)


@contextmanager
def removed_on_error(path: Path) -> Iterator[None]:
    """No half-written file is left at `path` when the block under this is left by an error."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def silence(n_samples: int) -> Iterator[Block]:
    """Digital silence in blocks."""
    for start in range(0, n_samples, BLOCK):
        yield np.zeros(min(BLOCK, n_samples - start), np.float32)


def filtered(blocks: Iterable[Block], sample_rate: int, *filters: tuple[str, str]) -> Iterator[av.AudioFrame]:
    """The frames that come out of a chain of libav filters, each given by its name and its options."""
    graph = av.filter.Graph()
    graph.threads = 1
    entry = graph.add_abuffer(
        sample_rate=sample_rate, format="flt", layout="mono", time_base=Fraction(1, sample_rate)
    )
    last = entry
    for name, options in (*filters, ("aformat", "sample_fmts=flt:channel_layouts=mono")):
        following = graph.add(name, options)
        last.link_to(following)
        last = following
    sink = graph.add("abuffersink")
    last.link_to(sink)
    graph.configure()

    def ready() -> Iterator[av.AudioFrame]:
        while True:
            try:
                yield cast("av.AudioFrame", sink.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    position = 0
    for block in blocks:
        entry.push(_frame(block[None], "flt", sample_rate, position))
        position += block.size
        yield from ready()
    entry.push(None)
    yield from ready()


def resampled(blocks: Iterable[Block], from_rate: int, to_rate: int) -> Iterator[Block]:
    """The same sound at another rate, without delay: sample n of the result is at n / to_rate seconds."""
    if from_rate == to_rate:
        yield from blocks
        return
    for frame in filtered(blocks, from_rate, ("aresample", f"{to_rate}:{RESAMPLER}")):
        yield frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)


def _frame(samples: npt.NDArray[np.generic], sample_format: str, rate: int, position: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        cast("npt.NDArray[np.float32]", samples), format=sample_format, layout="mono"
    )
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = position
    return frame


@dataclass(frozen=True, slots=True)
class Encoding:
    """How samples become bytes: an encoder, its settings and the container around it."""

    encoder: str
    container: str
    sample_format: str
    bits: int | None
    """Bits of a sample where the format stores integers; None where the encoder takes floats."""
    bit_rate: int | None
    options: Mapping[str, str]
    container_options: Mapping[str, str]
    own_scale: float = 1.0
    """What the encoder multiplies samples by, uninvited; the writer undoes it."""


class Outlet(Protocol):
    """Where bytes of a sound file go, one after the other; it cannot be gone back in."""

    def write(self, content: bytes, /) -> int:
        """Takes the bytes; how many."""
        ...


class Writer:
    """A sound file being written: `write` takes blocks. Leaving the `with` by an error removes the file."""

    def __init__(
        self,
        path: Path | Outlet,
        encoding: Encoding,
        sample_rate: int,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Start the file at `path`; `metadata` goes into the container's own tags.

        An outlet gets bytes as soon as a packet is encoded.
        """
        self.n_samples = 0
        self._path = path
        self._encoding = encoding
        self._rate = sample_rate
        self._container = av.open(
            str(path) if isinstance(path, Path) else path,
            "w",
            format=encoding.container,
            options={
                "fflags": "+bitexact" if isinstance(path, Path) else "+bitexact+flush_packets",
                **encoding.container_options,
            },
        )
        self._container.metadata.update(metadata or {})
        options = {"flags": "+bitexact", **encoding.options}
        self._stream = cast(
            "av.AudioStream", self._container.add_stream(encoding.encoder, rate=sample_rate, options=options)
        )
        self._stream.codec_context.layout = "mono"
        self._stream.codec_context.format = encoding.sample_format
        self._stream.codec_context.thread_count = 1
        if encoding.bit_rate is not None:
            self._stream.codec_context.bit_rate = encoding.bit_rate

    def __enter__(self) -> Self:
        """Nothing is written before the first block."""
        return self

    def write(self, block: Block) -> None:
        """Append samples `[N]`; beyond full scale they are clipped where the format stores integers."""
        if not block.size:
            return
        if self._encoding.own_scale != 1:
            block = block / np.float32(self._encoding.own_scale)
        samples: npt.NDArray[np.generic] = block
        if self._encoding.bits is not None:
            samples = _integers(block, self._encoding.bits)
        frame = _frame(samples[None], self._encoding.sample_format, self._rate, self.n_samples)
        self.n_samples += block.size
        self._container.mux(self._stream.encode(frame))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or remove it when the block was left by an error."""
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()
            if kind is not None and isinstance(self._path, Path):
                self._path.unlink(missing_ok=True)


def _integers(block: Block, bits: int) -> npt.NDArray[np.generic]:
    top = 2.0 ** (bits - 1)
    rounded = np.clip(np.rint(block.astype(np.float64) * top), -top, top - 1)
    if bits == 16:
        return rounded.astype(np.int16)
    return rounded.astype(np.int32) << (32 - bits)
