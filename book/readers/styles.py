"""What a style sheet says that matters to the ear: what is not shown, and which lists bear no numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
NO_MARKER = re.compile(r"list-style(?:-type)?\s*:[^;]*none", re.IGNORECASE)
_RULE = re.compile(r"([^{}]{1,2000})\{([^{}]{0,4000})\}")
_SIMPLE_SELECTOR = re.compile(r"(?:[a-z0-9]*)([.#][\w-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Styles:
    """What style sheets say that matters to the ear: selectors (".class" or "#id") of what is not shown."""

    hidden: frozenset[str] = frozenset()
    unnumbered: frozenset[str] = frozenset()

    def __or__(self, other: Styles) -> Styles:
        """The rules of both sheets."""
        return Styles(self.hidden | other.hidden, self.unnumbered | other.unnumbered)


def read_styles(css: str) -> Styles:
    """The simple rules of a style sheet that hide elements or list markers.

    Rules of @media blocks count for nothing.
    """
    hidden: set[str] = set()
    unnumbered: set[str] = set()
    for selectors, rules in _RULE.findall(_without_at_blocks(re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))):
        hides, unmarks = HIDDEN.search(rules), NO_MARKER.search(rules)
        if not hides and not unmarks:
            continue
        for selector in selectors.split(","):
            match = _SIMPLE_SELECTOR.fullmatch(selector.strip())
            if match:
                (hidden if hides else unnumbered).add(match[1].lower())
    return Styles(frozenset(hidden), frozenset(unnumbered))


def _without_at_blocks(css: str) -> str:
    kept, depth, skipping, start = [], 0, False, 0
    for match in re.finditer(r"@(?:media|supports)[^{};]*|[{}]", css):
        sign = match[0]
        if sign[0] == "@" and depth == 0 and not skipping:
            kept.append(css[start : match.start()])
            skipping = True
        elif sign == "{":
            depth += 1
        elif sign == "}":
            depth = max(0, depth - 1)
            if skipping and depth == 0:
                skipping, start = False, match.end()
    return "".join([*kept, "" if skipping else css[start:]])
