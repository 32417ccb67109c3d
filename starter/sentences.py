"""Sentences of our own: dialogue, questions, numbers, names, lists, long and short, drawn from patterns.

They hold what novels of the nineteenth century lack: dates and prices in digits, the names of today, short
answers. Each sentence follows from its number alone.
"""

from __future__ import annotations

import re
from typing import Final

from speech.noise import seed_of

_PATTERNS: Final = (
    "{Name} {went} to {place} {when}, and {name} stayed {where}.",
    '"{Ask} {name}?" asked {other} {how}.',
    '"{Answer}" said {name}. "{Short}"',
    "{Ask} {name}, and {ask} {other}?",
    "On {month} {day}, {year}, {n} people {went} to {place}.",
    "It costs ${n}.{cents}, or {small} for the price of {small}.",
    "{Answer}",
    "{Short} {Short}",
    "The {adjective} {thing} {lay} {where}, next to {small} {adjective} {things}.",
    "If the {thing} is {adjective}, {name} will {do} it {when}; if not, {other} will.",
    "There were {n} {things}, {small} {things} and one {adjective} {thing} {where}.",
    "Chapter {small}. The {adjective} {thing} of {place}.",
    "At {hour}:{minute} the {thing} {lay} {where}, {adjective} and {adjective}, and nobody could {do} it.",
    "{Name}, {other} and a {adjective} {thing}: that was all they had {when}.",
    "Why should {name} {do} a {thing} that {other} has never seen?",
    "What a {adjective} {thing}! {Short}",
    "Please {do} the {things} {when}, not {when}.",
    "{Name} counted {small}, {small}, {small}, and then {n} more.",
    "Although it was {adjective} {where}, the {thing} which {name} had bought in {place} {when} {lay} there for {small} weeks before anybody thought to {do} it.",
    "{Name} whispered that the {things} were {adjective}; {other} laughed {how} and {went} to {place}.",
)
_WORDS: Final = {
    "name": "Ada, Mister Jones, Zoe, George, Doctor Wu, Charlotte, Hugh, Vivian, Joyce, Beth, Thaddeus, "
    "Miss Fisher, Boris, Uncle Roy, Yusuf, Cheng, the judge, my mother, the youth, an old sailor",
    "place": "Paris, the garage, Zurich, North Yorkshire, Shanghai, the church, Boston, the zoo, Vermont, "
    "the harbour, Joyce's cottage, Chicago, the fourth floor, Peru, Voyager Street, Bath",
    "when": "yesterday, at noon, on Thursday, every other week, after the thunderstorm, in the evening, long "
    "ago, without delay, twice a year, before breakfast, tomorrow, at the usual hour",
    "where": "under the bridge, in the kitchen, behind the south wall, upon the shelf, near the fire, above the "
    "clouds, beyond the village, out in the yard, on the edge of the path, at home",
    "went": "went, walked, rode, hurried, was sent, travelled, flew, moved, drove back, rushed",
    "how": "quietly, with a smile, at once, rather coldly, in a low voice, joyfully, without thinking, roughly",
    "adjective": "yellow, thick, huge, smooth, very old, foolish, pure, bright blue, fragile, enormous, vague, "
    "cheap, noisy, rough, unusual, golden, awful, young, thin, strange, quick, heavy, joyous",
    "thing": "envelope, treasure, wagon, machine, vision, feather, oyster, chess board, engine, bath, poison, "
    "measure, cloth, bird, judge's wig, jar, umbrella, mirror, cuckoo clock, voice, loom, boy's book",
    "things": "eggs, shoes, garages, months, coins, leaves, oranges, vases, wishes, badges, birds, books, "
    "pictures, youths, wolves, hinges, paths, chairs, toys",
    "lay": "lay, stood, was found, vanished, burned, began to shake, sank, hung, was lost",
    "do": "use, push, view, catch, choose, join, unfold, breathe on, look at, measure, destroy, throw, forget",
    "ask": "would you like to see, have you heard of, did you never thank, where is, who was with, how old is, "
    "why not trust, when shall we visit, are you sure about, do you think of, which of them knows",
    "answer": "No.| Yes, of course!| Oh, I suppose so.| Certainly not.| Perhaps.| Thank you very much.| Who knows?| "
    "That is hardly my fault.| Hush!| All right then.| You must be joking!| Good heavens!| Never mind.",
    "short": "Go on., It was true., Nobody moved., Look there!, I heard a noise., The fire was out., Ask her "
    "again., We knew better., He has the other shoe., They could not agree., She took the job., Put it down., "
    "Both are wrong., Watch the road.",
    "month": "January, February, March, April, May, June, July, August, September, October, November, December",
    "small": "two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, "
    "fifteen, sixteen, seventeen, eighteen, nineteen, twenty, thirty, forty, fifty, sixty, ninety",
}
_CHOICES: Final = {
    kind: tuple(words.split("| " if "|" in words else ", ")) for kind, words in _WORDS.items()
} | {
    "day": tuple(str(n) for n in range(1, 29)),
    "year": tuple(str(n) for n in range(1789, 2031, 7)),
    "n": tuple(
        str(n) for n in (12, 17, 23, 38, 45, 56, 64, 79, 81, 99, 104, 150, 212, 365, 999, 1200, 40000)
    ),
    "cents": ("15", "25", "50", "75", "99"),
    "hour": tuple(str(n) for n in range(1, 13)),
    "minute": ("05", "10", "15", "20", "30", "45", "55"),
}


def own_sentence(number: int) -> str:
    """Sentence `number`, from 0."""
    pattern = _PATTERNS[seed_of(f"pattern:{number}")[0] % len(_PATTERNS)]
    n_slots = 0

    def fill(slot: re.Match[str]) -> str:
        nonlocal n_slots
        n_slots += 1
        kind = slot.group(1)
        choices = _CHOICES["name" if kind == "other" else kind.lower()]
        word = choices[seed_of(f"word:{number}:{n_slots}")[0] % len(choices)]
        return word[0].upper() + word[1:] if kind[0].isupper() else word

    return re.sub(r"\{(\w+)\}", fill, pattern)


def own_sentences(n: int) -> list[str]:
    """The first `n` that differ."""
    found: dict[str, None] = {}
    number = 0
    while len(found) < n:
        found.setdefault(own_sentence(number))
        number += 1
    return list(found)
