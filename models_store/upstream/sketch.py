"""A pickle's content, found by following its instructions without running any of them.

A pickle is a program for a stack machine (`pickletools` describes every instruction). This one knows only the
instructions, the names and the calls that `torch.save` needs for a voice, and builds nothing but numbers,
text, lists, dictionaries and descriptions of tensors: there is no code that a pickle could reach. Whatever
else a pickle wants is an error that says what it wanted.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from models_store.upstream.errors import HostileFileError, UpstreamFileError
from models_store.upstream.values import ELEMENT_BYTES, HPARAMS, HParams, Name, Storage, TensorSketch

_ORDERED: Final = "collections.OrderedDict"
_TENSOR: Final = "torch._utils._rebuild_tensor_v2"
_NAMES: Final = frozenset({HPARAMS, _ORDERED, _TENSOR, *(f"torch.{storage}" for storage in ELEMENT_BYTES)})

_MOST_INSTRUCTIONS: Final = 300_000
_MOST_DIMENSIONS: Final = 8
_MOST_INTEGER: Final = 1 << 63
_PLACE = re.compile(r"(cpu|cuda|mps|xpu|npu|privateuseone)(:\d{1,3})?")


class _Ordered(dict[Any, Any]):
    """An `OrderedDict`, which may note things about itself."""


class _Mark:
    """Where a tuple, a list's or a dictionary's new entries begin on the stack."""


@dataclass(slots=True)
class _Machine:
    storages: Mapping[str, int]
    """Keys and bytes of what the archive has."""
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)


def sketch(pickled: bytes, storages: Mapping[str, int]) -> Any:
    """What the pickle says, in plain values, `HParams` and `TensorSketch`es; lists may contain themselves.

    Args:
        pickled: the pickle.
        storages: keys and bytes of the storages that tensors may have.

    Raises:
        HostileFileError: it wants an instruction, a name or a call that no voice needs, or tensors that the
            archive does not have.
        UpstreamFileError: it is no valid pickle.
    """
    machine = _Machine(storages)
    place = 0
    try:
        for instruction, argument, position in islice(pickletools.genops(pickled), _MOST_INSTRUCTIONS):
            place = position or 0
            if instruction.name == "STOP":
                return _end(machine, len(pickled) - place - 1)
            _STEPS.get(instruction.name, _refuse(instruction.name))(machine, argument)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UpstreamFileError(f"has a broken pickle (near byte {place})") from error
    raise HostileFileError("has a pickle of more instructions than any voice needs")


def _refuse(instruction: str) -> Callable[[_Machine, Any], None]:
    def refuse(_machine: _Machine, _argument: Any) -> None:
        raise HostileFileError(f"uses the pickle instruction {instruction}, which no voice needs")

    return refuse


def _end(machine: _Machine, n_left: int) -> Any:
    value = machine.stack.pop()
    if machine.stack or n_left:
        raise HostileFileError("has a pickle that goes on after its end")
    return value


def _pop_to_mark(machine: _Machine) -> list[Any]:
    stack, start = machine.stack, len(machine.stack) - 1
    while not isinstance(stack[start], _Mark):
        start -= 1
        if start < 0:
            raise IndexError
    values = stack[start + 1 :]
    del stack[start:]
    return values


def _pop_tuple(machine: _Machine, n: int) -> None:
    values = tuple(machine.stack[len(machine.stack) - n :])
    if len(values) != n or any(isinstance(value, _Mark) for value in values):
        raise IndexError
    del machine.stack[len(machine.stack) - n :]
    machine.stack.append(values)


def _name(machine: _Machine, argument: str) -> None:
    path = ".".join(argument.split(" ", maxsplit=1))
    if path not in _NAMES:
        raise HostileFileError(f"names {path[:120]}, which no voice needs")
    machine.stack.append(Name(path))


def _integer(machine: _Machine, argument: int) -> None:
    if abs(argument) >= _MOST_INTEGER:
        raise HostileFileError("has an integer of more than 64 bits")
    machine.stack.append(argument)


def _put(machine: _Machine, argument: int) -> None:
    value = machine.stack[-1]
    if isinstance(value, _Mark):
        raise TypeError
    if argument > _MOST_INSTRUCTIONS:
        raise HostileFileError("numbers what it remembers higher than it can count")
    machine.memo[argument] = value


def _call(machine: _Machine, _argument: None) -> None:
    arguments, name = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, Name) or not isinstance(arguments, tuple):
        raise HostileFileError(f"calls what is no function, but {_what(name)}")
    if name.path == _ORDERED and not arguments:
        machine.stack.append(_Ordered())
    elif name.path == _TENSOR:
        machine.stack.append(_tensor(*arguments))
    else:
        raise HostileFileError(f"calls {name.path} in a way no voice needs")


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, requires_grad: Any, hooks: Any, *more: Any
) -> TensorSketch:
    if not isinstance(storage, Storage) or not isinstance(requires_grad, bool) or hooks != {} or more:
        raise HostileFileError("builds a tensor in a way PyTorch does not write")
    if not isinstance(shape, tuple) or not isinstance(strides, tuple) or len(shape) != len(strides):
        raise HostileFileError("has a tensor whose shape and strides do not belong together")
    if len(shape) > _MOST_DIMENSIONS:
        raise HostileFileError(f"has a tensor of {len(shape)} dimensions")
    if any(type(number) is not int or number < 0 for number in (offset, *shape, *strides)):
        raise HostileFileError("has a tensor of a negative or fractional size")
    n = math.prod(shape)
    end = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) + 1
    if n > storage.n_elements or (n and end > storage.n_elements):
        raise HostileFileError(
            f"has a tensor of shape {list(shape)} that reaches past the numbers in the file"
        )
    return TensorSketch(storage.kind, tuple(shape))


def _storage(machine: _Machine, _argument: None) -> None:
    match machine.stack.pop():
        case ("storage", Name(path), str(key), str(place), int(n)) if path.startswith("torch."):
            kind = path.removeprefix("torch.")
        case _:
            raise HostileFileError("asks for something other than a tensor's numbers")
    if kind not in ELEMENT_BYTES or not _PLACE.fullmatch(place) or type(n) is not int or n < 0:
        raise HostileFileError(f"asks for numbers in a way PyTorch does not write: {path} at {place[:40]!r}")
    if key not in machine.storages:
        raise HostileFileError(f"asks for numbers that the file does not have: {key[:40]!r}")
    if machine.storages[key] != n * ELEMENT_BYTES[kind]:
        raise HostileFileError(
            f"says that its numbers {key!r} are {n:,} of {ELEMENT_BYTES[kind]} bytes;"
            f" they have {machine.storages[key]:,} bytes"
        )
    machine.stack.append(Storage(kind, key, n))


def _new(machine: _Machine, _argument: None) -> None:
    arguments, name = machine.stack.pop(), machine.stack.pop()
    if name != Name(HPARAMS) or arguments != ():
        raise HostileFileError(f"makes an object of {_what(name)} in a way no voice needs")
    machine.stack.append(HParams())


def _build(machine: _Machine, _argument: None) -> None:
    state, target = machine.stack.pop(), machine.stack[-1]
    if not isinstance(state, dict):
        raise HostileFileError("sets an object's state to something other than fields")
    if isinstance(target, HParams):
        for name in state:
            if not isinstance(name, str) or name.startswith("__"):
                raise HostileFileError(f"sets the attribute {str(name)[:80]!r}")
        target.fields.update(state)
    elif isinstance(target, _Ordered) and set(state) == {"_metadata"}:
        pass  # torch's state_dict notes the version of each module so; nobody reads it
    else:
        raise HostileFileError(f"sets attributes of {_what(target)}, which no voice needs")


def _what(value: Any) -> str:
    """A name for an error; never the value itself, which may unfold to gigabytes."""
    return value.path if isinstance(value, Name) else f"a {type(value).__name__.lower().lstrip('_')}"


def _append(machine: _Machine, values: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list):
        raise HostileFileError("appends to what is no list")
    target.extend(values)


def _insert(machine: _Machine, values: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict) or len(values) % 2:
        raise HostileFileError("puts entries into what is no dictionary")
    for key, value in zip(values[::2], values[1::2], strict=True):
        if type(key) not in (str, int):
            raise HostileFileError(f"has a dictionary with a key of type {type(key).__name__}")
        target[key] = value


def _pushes(make: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _argument: machine.stack.append(make())


def _pushes_argument(machine: _Machine, argument: Any) -> None:
    machine.stack.append(argument)


def _appends_one(machine: _Machine, _argument: None) -> None:
    value = machine.stack.pop()
    _append(machine, [value])


def _inserts_one(machine: _Machine, _argument: None) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _insert(machine, [key, value])


_STEPS: Final[Mapping[str, Callable[[_Machine, Any], None]]] = {
    "PROTO": lambda _machine, _argument: None,
    "MARK": _pushes(_Mark),
    "NONE": _pushes(lambda: None),
    "NEWTRUE": _pushes(lambda: True),
    "NEWFALSE": _pushes(lambda: False),
    "EMPTY_TUPLE": _pushes(tuple),
    "EMPTY_LIST": _pushes(list),
    "EMPTY_DICT": _pushes(dict),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1"), _integer),
    **dict.fromkeys(("BINFLOAT", "BINUNICODE"), _pushes_argument),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(
        ("BINGET", "LONG_BINGET"),
        lambda machine, argument: machine.stack.append(machine.memo[argument]),
    ),
    "TUPLE": lambda machine, _argument: machine.stack.append(tuple(_pop_to_mark(machine))),
    "TUPLE1": lambda machine, _argument: _pop_tuple(machine, 1),
    "TUPLE2": lambda machine, _argument: _pop_tuple(machine, 2),
    "TUPLE3": lambda machine, _argument: _pop_tuple(machine, 3),
    "APPEND": _appends_one,
    "APPENDS": lambda machine, _argument: _append(machine, _pop_to_mark(machine)),
    "SETITEM": _inserts_one,
    "SETITEMS": lambda machine, _argument: _insert(machine, _pop_to_mark(machine)),
    "GLOBAL": _name,
    "REDUCE": _call,
    "NEWOBJ": _new,
    "BUILD": _build,
    "BINPERSID": _storage,
}
