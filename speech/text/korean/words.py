"""Korean in jamo as it is pronounced: parts of speech by mecab-ko, exceptions by list, the rest by rule."""

from __future__ import annotations

import re
from typing import Final

from speech.text.korean.hangul import SPLIT, take_apart
from speech.text.korean.normalise import mecab
from speech.text.korean.sounds import Sound, change
from speech.text.reading import Reading

_EXCEPTIONS: Final = dict(
    pair.split(":")
    for pair in (
        # (20) n stays n before r
        "의견란:의견난 임진란:임진난 생산량:생산냥 결단력:결딴녁 공권력:공꿘녁 동원령:동원녕 상견례:상견녜 횡단로:횡단노 이원론:이원논"
        " 입원료:이붠뇨 구근류:구근뉴"
        # (26) tense after ㄹ in Sino-Korean words
        " 갈등:갈뜽 발동:발똥 절도:절또 말살:말쌀 불소:불쏘 일시:일씨 갈증:갈쯩 물질:물찔 발전:발쩐 몰상식:몰쌍식 불세출:불쎄출"
        " 발달:발딸 활동:활똥 결정:결쩡 열심:열씸 실제:실쩨 출신:출씬 출장:출짱 철저:철쩌 팔십:팔씹 칠십:칠씹 일정:일쩡 설정:설쩡"
        " 실시:실씨 일종:일쫑 절대:절때 물석:물썩"
        # (28) tense in compounds
        " 문고리:문꼬리 눈동자:눈똥자 신바람:신빠람 산새:산쌔 손재주:손째주 길가:길까 물동이:물똥이 발바닥:발빠닥 굴속:굴쏙 술잔:술짠"
        " 바람결:바람껼 그믐달:그믐딸 아침밥:아침빱 잠자리:잠짜리 강가:강까 초승달:초승딸 등불:등뿔 창살:창쌀 강줄기:강쭐기"
        " 여권:여꿘 조건:조껀 사건:사껀 인기:인끼 한자:한짜 문법:문뻡 성격:성껵 가격표:가격표 물고기:물꼬기 보름달:보름딸 안과:안꽈"
        # (29) n comes in between
        " 솜이불:솜니불 홑이불:혼니불 막일:망닐 삯일:상닐 맨입:맨닙 꽃잎:꼰닙 내복약:내봉냑 색연필:생년필 직행열차:지캥녈차"
        " 늑막염:능망념 콩엿:콩녇 담요:담뇨 눈요기:눈뇨기 영업용:영엄뇽 식용유:시굥뉴 국민윤리:궁민뉼리 밤윷:밤뉻 들일:들릴 솔잎:솔립"
        " 물약:물략 불여우:불려우 서울역:서울력 물엿:물렫 휘발유:휘발류 유들유들:유들류들 이죽이죽:이중니죽 야금야금:야금냐금"
        " 검열:검녈 나뭇잎:나문닙 깻잎:깬닙 베갯잇:베갠닏 옛이야기:옌니야기"
        # (15, 16) words by themselves
        " 맛있:마싰 멋있:머싰 맛없:마덦 멋없:머덦 첫인상:처딘상 헛웃음:허두슴"
    ).split()
)
"""Words that no rule reads, most of them the examples of the Standard Pronunciation."""
_EXCEPTION: Final = re.compile("|".join(sorted(_EXCEPTIONS, key=len, reverse=True)))

_STEM_CODAS: Final = frozenset("ㄴㄵㅁㄻㄺㄼㄾ")
_RIEUL_ENDING: Final = re.compile("(?:걸|밖에|세라|수록|지라도|지언정|진대|게(?!임))")


def _roles(text: str) -> list[str]:
    """What each syllable is, for the rules that ask: see `Sound.role`."""
    roles = [""] * len(text)
    at = 0
    for surface, tag in mecab().pos(text):
        at = text.find(surface, at)
        if at < 0:
            raise AssertionError(f"mecab found {surface!r}, which is not in {text!r}")
        last = at + len(surface) - 1
        part = tag.split("+")[-1]
        syllable = take_apart(text[last])
        if syllable and part.startswith("V") and syllable.coda in _STEM_CODAS:
            roles[last] = "P"
        elif syllable and part.startswith("E") and syllable.coda == "ㄹ":
            roles[last] = "E"
        at = last + 1
    for match in _RIEUL_ENDING.finditer(text):
        before = take_apart(text[match.start() - 1]) if match.start() else None
        if (
            before
            and before.coda == "ㄹ"
            and not roles[match.start()]
            and _is_ending(text, match.start(), roles)
        ):
            roles[match.start() - 1], roles[match.start()] = "E", "L"
    return roles


def _is_ending(text: str, at: int, roles: list[str]) -> bool:
    """Whether 걸, 수록, 지라도 … at an index belongs to a verb form: mecab found an ending before it or in it."""
    if roles[at - 1] == "E":
        return True
    position = 0
    for surface, tag in mecab().pos(text):
        position = text.find(surface, position)
        near = position <= at - 1 < position + len(surface) or position == at
        if near and "E" in {part[:1] for part in tag.split("+")}:
            return True
        position += len(surface)
    return False


def pronounce(text: str) -> list[Reading]:
    """The readings of a normalised text, one for each of its characters.

    A final consonant that moves over to the next syllable is among that syllable's symbols.
    """
    roles = _roles(text)
    sounds: list[Sound] = []
    exceptions = {match.start(): _EXCEPTIONS[match.group()] for match in _EXCEPTION.finditer(text)}
    replaced = list(text)
    for start, spoken in exceptions.items():
        replaced[start : start + len(spoken)] = spoken
    for character, role in zip(replaced, roles, strict=True):
        syllable = take_apart(character)
        sounds.append(Sound(*syllable, role, character) if syllable else Sound("", "", "", "", character))
    change(sounds)
    return [Reading(_symbols(sound), at, at + 1) for at, sound in enumerate(sounds)]


def _symbols(sound: Sound) -> tuple[str, ...]:
    if sound.is_syllable:
        return (sound.onset, *SPLIT.get(sound.vowel, sound.vowel), *sound.coda)
    return ("空" if sound.written == " " else sound.written,)
