import hashlib

import pytest

from speech.text.symbols import IDS, LANGUAGES, MARKS, SYMBOLS

pytestmark = pytest.mark.timeout(60)


def test_symbols_are_those_of_the_published_embeddings() -> None:
    # Digests of the tables as upstream builds them, one symbol a line.
    digests = {v: hashlib.sha256("\n".join(SYMBOLS[v]).encode()).hexdigest() for v in SYMBOLS}
    assert digests == {
        "v1": "f7c3b280b9cc519b0829a6f182fcdd208643a07f1e20c1ab2bf4fc9e8e9a7ca6",
        "v2": "0771f6cd6f6201e8c2b0de921dc69cc04caf3f346c599d4a41413967d5674da7",
    }


def test_version_two_begins_with_version_one() -> None:
    assert (len(SYMBOLS["v1"]), len(SYMBOLS["v2"])) == (322, 732)
    assert SYMBOLS["v2"][:322] == SYMBOLS["v1"]


@pytest.mark.parametrize(
    ("symbol", "index"),
    [
        ("!", 0),
        (",", 1),
        ("-", 2),
        (".", 3),
        ("?", 4),
        ("SP", 77),
        ("UNK", 86),
        ("_", 95),
        ("…", 321),
        ("[", 322),
        ("]", 323),
        ("ㄱ", 324),
        ("空", 352),
        ("Ya", 353),
        ("Yz", 731),
    ],
)
def test_symbol_has_the_id_of_its_row(symbol: str, index: int) -> None:
    assert IDS["v2"][symbol] == index


def test_no_symbol_stands_twice() -> None:
    assert all(len(IDS[version]) == len(SYMBOLS[version]) for version in SYMBOLS)


def test_marks_are_symbols_of_both_versions() -> None:
    assert all(set(SYMBOLS[version]) >= MARKS for version in LANGUAGES)
