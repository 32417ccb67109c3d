import pytest

pytest.importorskip("inflect")

from hypothesis import given, settings
from hypothesis import strategies as st

from speech.errors import UnreadableTextError
from speech.text.english.normalise import normalise
from speech.text.english.unknown import guess
from speech.text.english.words import pronounce, pronounce_word
from speech.text.traced import TracedText


def said(text: str) -> str:
    return normalise(TracedText.read(text)).text


def sounds(text: str) -> str:
    return " ".join(symbol for reading in pronounce(said(text)) for symbol in reading.symbols)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Mr. Smith paid $3.50.", "Mister Smith paid three dollars and fifty cents."),
        ("It’s 5kg, 20°C.", "It's five kilograms, twenty degrees celsius."),
        ("at 3:05 p.m. on May 5, 2024", "at three oh five P M on May fifth, twenty twenty-four"),
        ("It was 10 a.m.", "It was ten A M."),
        ("13:00", "one o'clock P M"),
        ("at 8:30 or 0:30 or 12:00", "at eight thirty or twelve thirty A M or twelve o'clock"),
        ("1,500 people in 1500", "one thousand five hundred people in fifteen hundred"),
        ("in the 1990s, 2007, 1905", "in the nineteen nineties, two thousand seven, nineteen oh five"),
        ("1/2 and 3/4, 2½", "one half and three quarters, two and one half"),
        ("the 21st, the 3rd", "the twenty-first, the third"),
        ("CHAPTER IV. Henry VIII", "CHAPTER four. Henry the eighth"),
        ("at the Lang and Irene Xi in Leo L", "at the Lang and Irene Xi in Leo the fiftieth"),
        ("World War II; Malcolm X", "World War two, Malcolm X"),
        ("10–20 pages, -5 + 3", "ten to twenty pages, minus five plus three"),
        ("(555) 123-4567", "five five five, one two three, four five six seven"),
        ("www.example.com/test", "w w w dot example dot com slash test"),
        ("Baker St. near St. Paul's", "Baker Street near Saint Paul's"),
        ("J. R. R. Tolkien, U.S. Army", "J R R Tolkien, U S Army"),
        ("No. 5, pp. 3", "number five, pages three"),
        ("e.g. naïve Café & co.", "for example, naive Cafe and co."),
        ("“Quotes,” ‘single’ and don’t", "Quotes, single and don't"),
        ("well… no—yes", "well. no - yes"),
        ("£1.05, 5€, $5 million", "one pound and five pence, five euros, five million dollars"),
        ("1939-09-01", "September first, nineteen thirty-nine"),
        ("on 3/14/2024", "on March fourteenth, twenty twenty-four"),
        ("on 31/12/1999", "on December thirty-first, nineteen ninety-nine"),
        ("31/31/1999", "thirty-one slash thirty-one slash nineteen ninety-nine"),
        ("3.14, 007, 100%", "three point one four, zero zero seven, one hundred percent"),
        ("stop!!! what?!", "stop! what?"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", "Full width"),
        ("H₂O, CO₂ and Ca(OH)₂", "H two O, C O two and C A O H two"),
        ("vitamin B₁₂, xₙ₊₁, log₂ 8", "vitamin B twelve, x n plus one, log two eight"),
        ("¹⁴C, Ca²⁺, SO₄²⁻", "C fourteen, Ca two plus, S O four two minus"),
        ("x² + y³, E = mc²", "x squared plus y cubed, E equals mc squared"),
        ("sin² x, (a+b)², σ²", "sin squared x, a plus b squared, sigma squared"),
        (
            "10⁻³, 10⁶, 3×10⁸ m/s",
            "ten to the minus three, ten to the six, three times ten to the eight meters per second",
        ),
        ("x⁻¹ or xⁿ⁺¹", "x to the minus one or x to the n plus one"),
        ("12 m², 1 cm³, 5 m³", "twelve square meters, one cubic centimeter, five cubic meters"),
        ("people per km²", "people per square kilometer"),
        ("9.8 m/s²", "nine point eight meters per second squared"),
        ("½, 2½, ⅚, 1¹⁄₂, 3⁄4", "one half, two and one half, five sixths, one and one half, three quarters"),
        ("1ˢᵗ, 2ⁿᵈ, nᵗʰ", "first, second, nth"),
    ],
)
def test_normalise_writes_what_is_said(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("the word¹ here", "the word, note one, here"),
        ("the word¹. Next", "the word, note one. Next"),
        ("the word¹,² here", "the word, note one, note two, here"),
        ("He said so.¹² Then he left.", "He said so. note twelve. Then he left."),
        ("“A word”² he said", "A word, note two, he said"),
        ("“A word¹”.", "A word, note one."),
        ("(as he says)² is", "as he says, note two, is"),
        ("in 1984² he, chapter 3¹", "in nineteen eighty-four, note two, he, chapter three, note one"),
        ("¹ See Smith.", "note one, See Smith."),
        ("as did us²", "as did us, note two"),
    ],
)
def test_figures_above_a_word_are_a_note_and_are_said(written: str, spoken: str) -> None:
    assert said(written) == spoken


@settings(deadline=None, derandomize=True)
@given(st.text("aI x.1)½⅓₂ₙ₊H²³¹⁰⁻⁺ⁿ⁄m/C", max_size=12))
def test_nothing_above_or_below_the_line_is_lost(text: str) -> None:
    spoken = normalise(TracedText.read(text))
    places = {at for place in spoken.places for at in range(place.start, place.stop)}
    assert {at for at, letter in enumerate(text) if letter in "½⅓₂ₙH²³¹⁰ⁿmCaIx1"} <= places


def test_the_longest_power_is_said() -> None:
    assert said("2" + "⁹" * 60).count("nine") == 60


def test_a_letter_above_the_line_without_a_sense_is_refused() -> None:
    with pytest.raises(UnreadableTextError, match=r"character 2: 'ᵝ'"):
        said("xᵝ")


def test_normalise_names_what_it_cannot_read() -> None:
    with pytest.raises(UnreadableTextError, match=r"character 4: 'ш' \(U\+0448 CYRILLIC"):
        said("an ш")


def test_pronounce_reads_words_and_marks() -> None:
    assert sounds("Hello, world!") == "HH AH0 L OW1 , W ER1 L D !"


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("We live here.", "L IH1 V"),
        ("a live wire", "L AY1 V"),
        ("the wind", "W IH1 N D"),
        ("to wind it up", "W AY1 N D"),
        ("He will read it.", "R IY1 D"),
        ("She has read it.", "R EH1 D"),
        ("You must have read it.", "R EH1 D"),
        ("He smoothed it out and read it.", "R EH1 D"),
        ("her father's house", "HH AW1 S"),
        ("Please record it.", "R IH0 K AO1 R D"),
        ("the record", "R EH1 K ER0 D"),
        ("is close to", "K L OW1 S"),
        ("to close it", "K L OW1 Z"),
        ("the present", "P R EH1 Z AH0 N T"),
        ("I must object", "AH0 B JH EH1 K T"),
        ("a tear in the painting", "T EH1 R"),
        ("I shed a tear.", "T IH1 R"),
    ],
)
def test_pronounce_tells_homographs_by_their_neighbours(text: str, sound: str) -> None:
    assert sound in sounds(text)


def test_pronounce_spells_initials_and_reads_shouted_words() -> None:
    assert sounds("the FBI") == "DH AH0 EH1 F B IY1 AY1"
    assert sounds("STOP IT NOW") == sounds("stop it now")
    assert sounds("TELL US") == sounds("tell us")
    assert sounds("the US") == "DH AH0 Y UW1 EH1 S"


@pytest.mark.parametrize("word", ["NASA", "McDonald", "well-known", "starship", "OpenAI", "dogs'", "b"])
def test_pronounce_word_knows_parts(word: str) -> None:
    assert pronounce_word(word)


def test_genitive_takes_the_voice_of_its_word() -> None:
    assert pronounce_word("Voldemort's")[-1] == "S"
    assert pronounce_word("Gryffindor's")[-1] == "Z"
    assert pronounce_word("Sandwitch's")[-2:] == ("AH0", "Z")


@pytest.mark.parametrize(
    ("word", "sound"),
    [
        ("activationist", "AE2 K T IH0 V EY1 SH AH0 N IH0 S T"),
        ("voldemort", "V OW1 L D M AO0 R T"),
        ("gryffindor", "G R IH1 F IH0 N D AO0 R"),
    ],
)
def test_guess_sounds_out_words_as_the_package_of_its_weights_does(word: str, sound: str) -> None:
    assert " ".join(guess(word)) == sound
