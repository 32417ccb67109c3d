"""Pickles that want what no voice needs, and zips that torch would not write, and what they are refused for.

Some would run a command if anybody unpickled them: it leaves a canary in the current folder, a file that must
never be there.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

CANARY = "lectorium-canary"
HEAD, END = b"\x80\x02", b"."
RECORDS = {"byteorder": b"little", "version": b"3\n"}


def text(value: str) -> bytes:
    """Instructions that push a text."""
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    """Instructions that push an integer."""
    return b"J" + struct.pack("<i", value)


def row(*parts: bytes) -> bytes:
    """Instructions that push a tuple of what `parts` push."""
    return b"(" + b"".join(parts) + b"t"


def name(path: str) -> bytes:
    """Instructions that push a class or a function by its name."""
    module, _, own = path.rpartition(".")
    return f"c{module}\n{own}\n".encode()


def call(path: str, *arguments: bytes) -> bytes:
    """Instructions that call a function and push what it returns."""
    return name(path) + row(*arguments) + b"R"


def storage(key: str = "0", n: int = 4, kind: str = "torch.FloatStorage", place: str = "cpu") -> bytes:
    """Instructions that push a run of numbers of the archive."""
    return row(text("storage"), name(kind), text(key), text(place), number(n)) + b"Q"


def tensor(shape: bytes, strides: bytes, *, offset: int = 0, numbers: bytes = b"") -> bytes:
    """Instructions that push a tensor."""
    parts = (numbers or storage(), number(offset), shape, strides, b"\x89", call("collections.OrderedDict"))
    return call("torch._utils._rebuild_tensor_v2", *parts)


SOUND = tensor(row(number(2), number(2)), row(number(2), number(1)))


def voice(*, config: bytes = b"}", weight: bytes = SOUND, more: bytes = b"") -> bytes:
    """A pickle of a GPT half with one weight, but for what is put in the place of its parts."""
    entries = (
        text("weight") + b"}(" + text("model.ar_x") + weight + b"u" + text("config") + config
        + text("info") + text("GPT-e1") + more
    )  # fmt: skip
    return HEAD + b"}(" + entries + b"u" + END


def running(path: str, *arguments: bytes) -> bytes:
    """A voice whose config is what a function returns."""
    return voice(config=call(path, *arguments))


def zipped(pickled: bytes, **changes: bytes) -> bytes:
    """The archive around a pickle, with one storage of sixteen bytes; further members by their names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        members = {"data.pkl": pickled, "data/0": bytes(16), **RECORDS, **changes}
        for member, content in members.items():
            archive.writestr(f"archive/{member}", content)
    return file.getvalue()


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of just these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return file.getvalue()


class Runs:
    """Unpickling an object of this class leaves a canary."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, (f"touch {CANARY}",)


COMMAND, CODE = text(f"touch {CANARY}"), text(f"open({CANARY!r}, 'w')")


def _laughs() -> bytes:
    """Ten lists, each of ten times the one before: ten thousand million texts."""
    lists = b"](" + text("ha") * 10 + b"eq\x00"
    for level in range(1, 10):
        lists += b"](" + (b"h" + bytes([level - 1])) * 10 + b"eq" + bytes([level])
    return voice(config=b"}(" + text("laughs") + row(lists) + b"u")


PICKLES: dict[str, tuple[bytes, str]] = {
    "os.system": (
        pickle.dumps({"weight": {}, "config": Runs(), "info": ""}, protocol=2),
        "names posix.system",
    ),
    "os.system by hand": (running("os.system", COMMAND), "names os.system"),
    "subprocess": (running("subprocess.Popen", row(COMMAND)), "names subprocess.Popen"),
    "eval": (running("builtins.eval", CODE), "names builtins.eval"),
    "exec of Python 2": (running("__builtin__.exec", CODE), "names __builtin__.exec"),
    "getattr chain": (
        voice(
            config=call("builtins.getattr", call("importlib.import_module", text("os")), text("system"))
            + row(COMMAND)
            + b"R"
        ),
        "names builtins.getattr",
    ),
    "importlib": (running("importlib.import_module", text("antigravity")), "names importlib"),
    "runpy": (running("runpy._run_code", CODE, b"}"), "names runpy._run_code"),
    "nested pickle": (
        running("pickle.loads", b"B" + struct.pack("<I", 3) + b"N.."),
        "names pickle.loads",
    ),
    "torch.load again": (running("torch.serialization.load", text("x")), "names torch.ser"),
    "torch.hub": (running("torch.hub.load", text("a/b"), text("c")), "names torch.hub.load"),
    "torch's type gadget": (
        running("torch._tensor._rebuild_from_type_v2", name("os.system"), COMMAND),
        "names torch._tensor._rebuild_from_type_v2",
    ),
    "numpy's constructor": (
        running("numpy.core.multiarray._reconstruct", text("x")),
        "names numpy.core",
    ),
    "numpy's runstring": (
        running("numpy.testing._private.utils.runstring", CODE, b"}"),
        "names numpy.testing",
    ),
    "copyreg": (running("copyreg._reconstructor", text("x")), "names copyreg._reconstructor"),
    "operator": (running("operator.methodcaller", text("system")), "names operator"),
    "functools": (running("functools.partial", text("x")), "names functools.partial"),
    "pathlib": (running("pathlib.PosixPath", text("/")), "names pathlib.PosixPath"),
    "name with dots": (running("utils.HParams.__init__", text("x")), "names utils.HParams._"),
    "utils.HParams called": (running("utils.HParams", COMMAND), "calls utils.HParams"),
    "utils.HParams that is made of arguments": (
        voice(config=name("utils.HParams") + row(COMMAND) + b"\x81"),
        "makes an object of utils.HParams",
    ),
    "OrderedDict of arguments": (
        running("collections.OrderedDict", b"]"),
        "calls collections.OrderedDict",
    ),
    "__class__ set": (
        voice(
            config=name("utils.HParams") + b")\x81}(" + text("__class__") + name("torch.FloatStorage") + b"ub"
        ),
        "sets the attribute '__class__'",
    ),
    "__setstate__ set": (
        voice(config=name("utils.HParams") + b")\x81}(" + text("__setstate__") + b"Nub"),
        "sets the attribute '__setstate__'",
    ),
    "slots set": (
        voice(config=name("utils.HParams") + b")\x81N}(" + text("a") + b"Nu\x86b"),
        "sets an object's state to something other",
    ),
    "attributes of a dictionary set": (
        voice(config=b"}}(" + text("a") + b"Nub"),
        "sets attributes of a dict",
    ),
    "attributes of an OrderedDict set": (
        voice(config=call("collections.OrderedDict") + b"}(" + text("update") + b"Nub"),
        "sets attributes of a",
    ),
    "attributes of a class set": (
        voice(config=name("utils.HParams") + b"}(" + text("__reduce__") + b"Nub"),
        "sets attributes of utils.HParams",
    ),
    "INST": (
        voice(config=b"(" + COMMAND + b"ios\nsystem\n"),
        "uses the pickle instruction INST",
    ),
    "OBJ": (voice(config=b"(N" + COMMAND + b"o"), "uses the pickle instruction OBJ"),
    "NEWOBJ of a storage": (
        voice(config=name("torch.FloatStorage") + b")\x81"),
        "makes an object of torch.Float",
    ),
    "extension registry": (voice(config=b"\x82\x01"), "uses the pickle instruction EXT1"),
    "protocol 4": (
        pickle.dumps({"weight": {}, "config": Runs()}, protocol=4),
        "uses the pickle instruction",
    ),
    "out-of-band buffer": (voice(config=b"\x97"), "uses the pickle instruction NEXT_BUFFER"),
    "persistent id as text": (
        voice(config=b"Pos.system\n"),
        "uses the pickle instruction PERSID",
    ),
    "persistent id of something else": (
        voice(weight=row(text("module"), name("torch.FloatStorage")) + b"Q"),
        "asks for something other than a tensor's numbers",
    ),
    "persistent id that is a name": (
        voice(weight=name("utils.HParams") + b"Q"),
        "asks for something other",
    ),
    "storage on another device": (
        voice(weight=tensor(row(), row(), numbers=storage(place="../x"))),
        "'../x'",
    ),
    "storage that is a class of upstream's": (
        voice(weight=tensor(row(), row(), numbers=storage(kind="utils.HParams"))),
        "asks for something other",
    ),
    "storage that is not there": (
        voice(weight=tensor(row(), row(), numbers=storage("../../etc/passwd"))),
        "asks for numbers that the file does not have",
    ),
    "storage larger than its member": (
        voice(weight=tensor(row(), row(), numbers=storage(n=2_000_000_000))),
        "they have 16 bytes",
    ),
    "huge tensor": (
        voice(weight=tensor(row(number(1 << 30), number(1 << 30)), row(number(0), number(0)))),
        "reaches past the numbers",
    ),
    "offset past the end": (
        voice(weight=tensor(row(number(2)), row(number(1)), offset=3)),
        "reaches past",
    ),
    "strides past the end": (
        voice(weight=tensor(row(number(2)), row(number(1 << 30)))),
        "reaches past",
    ),
    "negative stride": (
        voice(weight=tensor(row(number(2)), row(number(-1)))),
        "a negative or fractional size",
    ),
    "shape of text": (
        voice(weight=tensor(row(text("2")), row(number(1)))),
        "a negative or fractional size",
    ),
    "thousand dimensions": (
        voice(weight=tensor(row(number(1) * 1000), row(number(1) * 1000))),
        "1000 dimensions",
    ),
    "tensor of a list": (
        voice(weight=call("torch._utils._rebuild_tensor_v2", *[b"]"] * 6)),
        "builds a tensor",
    ),
    "hooks on a tensor": (
        voice(
            weight=call(
                "torch._utils._rebuild_tensor_v2",
                storage(),
                number(0),
                row(),
                row(),
                b"\x88",
                b"}(" + text("0") + text("hook") + b"u",
            )
        ),
        "builds a tensor",
    ),
    "one storage many times": (
        voice(weight=SOUND + b"q\x00" + b"".join(text(f"model.{n}") + b"h\x00" for n in range(100))),
        "share their numbers",
    ),
    "memo bomb": (
        voice(config=b"}r" + struct.pack("<I", 2**32 - 1)),
        "numbers what it remembers",
    ),
    "billion laughs": (_laughs(), "unfolds without end"),
    "list that holds itself": (
        voice(config=b"}(" + text("l") + b"]q\x00h\x00au"),
        "unfolds without end",
    ),
    "nested a hundred thousand deep": (
        voice(config=b"}(" + text("t") + b"N" + b"\x85" * 100_000 + b"u"),
        "unfolds without end",
    ),
    "million values": (HEAD + b"N" * 310_000 + END, "more instructions than any voice"),
    "pickle of five megabytes": (
        voice(config=b"}(" + text("a" * (5 << 20)) + b"Nu"),
        "pickle of 5,",
    ),
    "integer of two thousand bits": (
        voice(config=b"}(" + text("a") + b"\x8a\xff" + b"\x7f" * 255 + b"u"),
        "more than 64 bits",
    ),
    "number that is none": (
        voice(config=b"}(" + text("a") + b"G" + struct.pack(">d", float("nan")) + b"u"),
        "no plain text or number",
    ),
    "class as a setting": (
        voice(config=b"}(" + text("a") + name("utils.HParams") + b"u"),
        "no plain text or number",
    ),
    "entries into a class": (
        voice(config=name("utils.HParams") + text("a") + b"Ns"),
        "puts entries into",
    ),
    "appended to a tuple": (voice(config=b")Na"), "appends to what is no list"),
    "key that is a list": (voice(config=b"}(]Nu"), "a key of type list"),
    "call of a list": (voice(config=b"])R"), "calls what is no function, but a list"),
    "second pickle behind the first": (
        voice() + pickle.dumps(Runs(), protocol=2),
        "goes on after its end",
    ),
    "values left over": (HEAD + b"NN" + END, "goes on after its end"),
    "stack underflow": (HEAD + b"R" + END, "broken pickle"),
    "memory never written": (HEAD + b"h\x07" + END, "broken pickle"),
    "mark never set": (HEAD + b"Nt" + END, "broken pickle"),
    "no end": (HEAD + b"N", "broken pickle"),
    "text that is none": (HEAD + b"X\x02\x00\x00\x00\xff\xfe" + END, "broken pickle"),
    "unknown instruction": (HEAD + b"\xfe" + END, "broken pickle"),
}
"""What is in the pickle; the pickle; part of the line it is refused with."""


def _symlink() -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("archive/data/1")
    member.external_attr = 0o120777 << 16
    return member


def _encrypted() -> bytes:
    content = bytearray(zipped(voice()))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def _overlapping() -> bytes:
    """The second member begins where the first does: the two share their bytes."""
    content = bytearray(zipped(voice()))
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    content[second + 42 : second + 46] = bytes(4)
    return bytes(content)


def _damaged() -> bytes:
    content = bytearray(zipped(voice()))
    content[content.index(b"model.ar_x")] ^= 1
    return bytes(content)


ZIPS: dict[str, tuple[Callable[[], bytes], str]] = {
    "zip bomb": (
        lambda: zip_of(("archive/data.pkl", bytes(20 << 20)), method=zipfile.ZIP_DEFLATED),
        "compressed member",
    ),
    "zip slip": (lambda: zip_of(("../../x.pth", b"")), "'../../x.pth', which PyTorch does not write"),
    "zip slip in a torch name": (lambda: zip_of(("../data.pkl", voice())), "'../data.pkl'"),
    "absolute path": (lambda: zip_of(("/etc/data.pkl", voice())), "which PyTorch does not write"),
    "member with a null": (
        lambda: zipped(voice(), **{"data/0.py": b""}).replace(b"data/0.py", b"data/0\0py"),
        "which PyTorch does not write",
    ),
    "two folders": (
        lambda: zip_of(("a/data.pkl", voice()), ("b/data/0", bytes(16))),
        "in more than one folder",
    ),
    "two members of one name": (
        lambda: zipped(voice(), **{"data/1": running("os.system", COMMAND)}).replace(b"data/1", b"data/0"),
        "two members 'archive/data/0'",
    ),
    "symbolic link": (
        lambda: zip_of(("archive/data.pkl", voice()), (_symlink(), b"/etc/passwd")),
        "a symbolic link",
    ),
    "encrypted member": (_encrypted, "an encrypted member"),
    "overlapping members": (_overlapping, "members that overlap"),
    "TorchScript": (lambda: zipped(voice(), **{"code/__torch__.py": b""}), "is a TorchScript program"),
    "TorchScript's constants": (
        lambda: zipped(voice(), **{"constants.pkl": b""}),
        "is a TorchScript program",
    ),
    "eleven thousand members": (
        lambda: zip_of(*((f"archive/data/{n}", b"") for n in range(11_000))),
        "11,000 members",
    ),
    "damaged member": (_damaged, "is cut short or damaged"),
    "big-endian": (lambda: zipped(voice(), byteorder=b"big"), "big-endian"),
}
"""Likewise, of the zip around it."""
