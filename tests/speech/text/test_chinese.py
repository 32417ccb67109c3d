import pytest

pytest.importorskip("pypinyin")

from speech.errors import UnreadableTextError
from speech.text.chinese import numbers
from speech.text.chinese.normalise import normalise
from speech.text.chinese.syllables import split
from speech.text.chinese.words import pronounce
from speech.text.traced import TracedText


def said(text: str) -> str:
    return normalise(TracedText.read(text)).text


def sounds(text: str) -> str:
    return " ".join(symbol for reading in pronounce(said(text)) for symbol in reading.symbols)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("现在是2024年5月1日，下午3:05。", "现在是二零二四年五月一日,下午三点零五分."),
        ("电话13812345678，010-62345678", "电话幺三八幺二三四五六七八,零幺零,六二三四五六七八"),
        ("热线400-123-4567", "热线四零零,幺二三,四五六七"),
        ("1914-1918年，2010年~12年", "一九一四到一九一八年,二零一零到一二年"),
        ("占12.5%，比例3/4，温度-3.5℃", "占百分之十二点五,比例四分之三,温度零下三点五度"),
        ("1+2=3，5-3，2×3", "一加二等于三,五减三,二乘三"),
        ("8:30-12:30开会", "八点半至十二点半开会"),
        ("5kg，3cm，20m²", "五千克,三厘米,二十平方米"),
        ("10⁻³，5²，½，2½", "十的负三次方,五的二次方,二分之一,二又二分之一"),
        ("他说¹。后来²他", "他说,注一.后来,注二,他"),
        ("₂号", "二号"),
        ("第1名，2个苹果，第2个", "第一名,两个苹果,第二个"),
        ("价格￥100~200元", "价格一百到二百元"),
        ("２０２３年的α和β", "二零二三年的阿尔法和贝塔"),
        ("是的——没错……《原神》", "是的,没错…原神"),
        ("100元/人，10000元，共12,345人", "一百元每人,一万元,共一万二千三百四十五人"),
        ("2024-05-01，100℃", "二零二四年五月一日,一百度"),
        ("後來這個問題解決了", "后来这个问题解决了"),
        ("①②，3~5天", "一二,三到五天"),
        ("比分是3:2", "比分是三比二"),
        ("房间号是302，在3楼", "房间号是三零二,在三楼"),
        ("302室，学号2011", "三零二室,学号二零幺幺"),
    ],
)
def test_normalise_writes_what_is_said(written: str, spoken: str) -> None:
    assert said(written) == spoken


def test_normalise_names_what_it_cannot_read() -> None:
    with pytest.raises(UnreadableTextError, match="character 3: '😀'"):
        said("你好😀")


@pytest.mark.parametrize(
    ("figures", "spoken"),
    [
        ("0", "零"),
        ("10", "十"),
        ("105", "一百零五"),
        ("110", "一百一十"),
        ("10010", "一万零一十"),
        ("100000000", "一亿"),
        ("1000200030004", "一万亿零二亿零三万零四"),
        ("20250", "二万零二百五十"),
        ("1000010000", "十亿零一万"),
    ],
)
def test_cardinal_writes_zeros_once(figures: str, spoken: str) -> None:
    assert numbers.cardinal(figures) == spoken


@pytest.mark.parametrize(
    ("syllable", "symbols"),
    [
        ("zhong1", ("zh", "ong1")),
        ("yuan2", ("y", "van2")),
        ("yan4", ("y", "En4")),
        ("zi3", ("z", "i03")),
        ("shi4", ("sh", "ir4")),
        ("ju1", ("j", "v1")),
        ("lv4", ("l", "v4")),
        ("a1", ("AA", "a1")),
        ("er2", ("EE", "er2")),
        ("wu3", ("w", "u3")),
    ],
)
def test_split_gives_the_symbols_of_a_syllable(syllable: str, symbols: tuple[str, str]) -> None:
    assert split(syllable) == symbols


def test_split_knows_what_is_no_syllable() -> None:
    assert split("ng2") is None
    assert split("𠮷5") is None
    assert split("m") is None


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("你好", "n i2 h ao3"),  # two third tones
        ("纸老虎", "zh ir3 l ao2 h u3"),
        ("展览馆", "zh an2 l an2 g uan3"),
        ("不怕", "b u2 p a4"),
        ("看不懂", "k an4 b u5 d ong3"),
        ("一天", "y i4 t ian1"),
        ("一段", "y i2 d uan4"),
        ("第一", "d i4 y i1"),
        ("看一看", "k an4 y i5 k an4"),
        ("喜欢", "x i3 h uan5"),
        ("奶奶", "n ai3 n ai5"),
        ("男子", "n an2 z i03"),
        ("慢慢地走", "m an4 m an4 d e5 z ou3"),
        ("银行行长", "y in2 h ang2 h ang2 zh ang3"),
        ("重庆很重要", "ch ong2 q ing4 h en3 zh ong4 y ao4"),
        ("我长大了", "w o2 zh ang3 d a4 l e5"),
        ("玩儿", "w an2 EE er2"),
        ("女儿", "n v3 EE er2"),
        ("她长得很漂亮", "t a1 zh ang3 d e5 h en3 p iao4 l iang5"),
        ("这条路长得很", "zh e4 t iao2 l u4 ch ang2 d e5 h en3"),
        ("多少钱", "d uo1 sh ao5 q ian2"),
        ("棉花", "m ian2 h ua5"),
    ],
)
def test_pronounce_reads_words_with_their_tones(text: str, symbols: str) -> None:
    assert sounds(text) == symbols


def test_pronounce_reads_each_character() -> None:
    text = "今天,我们一起去公园玩儿吧."
    readings = pronounce(text)
    assert [(reading.start, reading.stop) for reading in readings] == [(i, i + 1) for i in range(len(text))]


def test_pronounce_leaves_unknown_characters_without_symbols() -> None:
    assert [bool(reading.symbols) for reading in pronounce("你𪛕")] == [True, False]
