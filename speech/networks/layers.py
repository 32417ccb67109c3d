"""A list of layers that knows what its layers are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar, cast

from torch import nn

L = TypeVar("L", bound=nn.Module)


class Layers(nn.ModuleList, Generic[L]):
    """`nn.ModuleList`, whose members come out with the type they went in with."""

    def __init__(self, layers: Iterable[L]) -> None:
        super().__init__(layers)

    def __iter__(self) -> Iterator[L]:
        """The layers in order."""
        return cast("Iterator[L]", super().__iter__())
