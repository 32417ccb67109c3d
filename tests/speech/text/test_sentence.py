"""Where sentences end. Each row is a text with "|" where a sentence ends; all else must be left whole."""

from __future__ import annotations

import pytest

from speech.text.sentence import sentence_ends

CUTS = [
    ("en", "To him she is always the woman.| I have seldom heard him mention her."),
    ("en", "He met Mr. and Mrs. J. R. R. Tolkien at 5 p.m. on Dec. 3rd.| It cost $3.50."),
    ("en", "“Is that so?” he said.| “Yes!”| She left...| Then it rained."),
    ("en", "Oh! what a day it was; alas! too late."),
    ("en", "Visit www.example.com or http://a.b/c.d?e=f.| Then write to a.b@c.org."),
    ("en", "See Fig. 3 and No. 5.| No.| He refused."),
    ("en", "It was the U.S.| The end."),
    ("en", "He lives in the U.S. Virgin Islands."),
    ("en", "Go to St. Paul’s, e.g. at noon, i.e. now."),
    ("en", "Wait . . . what?| And then . . .| Nothing."),
    ("en", "1. The first.| 2. The second."),
    ("en", "IV. The Night"),
    ("en", "It was in 1999.| The year ended."),
    ("en", "He (the elder.) spoke.| (She left.)| They stayed."),
    ("en", "“Stop!”—he cried—“Now.”| It was I.| He knew."),
    ("en", "I saw it.|—Then I left."),
    ("en", "Mr. Smith Jr. went to Washington D.C.| He has a Ph.D. in mathematics."),
    ("en", "He said, “It is 3.14.”| “No!”| “Yes.”"),
    ("en", "“Such a thing!” cried Holmes."),
    ("de", "Das ist z. B. ein Satz.| Am 3. Oktober 1990 war es so weit."),
    ("de", "Dr. Müller sagte: „Ja.“| Dann ging er."),
    ("de", "Das ist z.B. ein Satz, d.h. einer.| Das kostet 3,50 Mio. Euro."),
    ("de", "»Nein!«, rief sie.| »Doch!«| Er ging."),
    ("de", "Friedrich II. war König.| Im 19. Jahrhundert lebte keiner."),
    ("fr", "« Oui ! » dit-il.| « Non. »| M. Dupont partit."),
    ("fr", "— Viens !| — Non.| Qu’est-ce ?| Rien…| Et puis… plus rien."),
    ("es", "¿Qué hora es?| ¡Hola!| El Sr. García vino.| —Sí —dijo—.| Vamos."),
    ("it", "Il sig. Rossi disse: «Ciao!»| Poi uscì."),
    ("ru", "А. С. Пушкин родился в 1799 г. в Москве.| «Что?» — спросил он.| — Ничего."),
    ("pl", "To jest np. kot.| Dr. Nowak przyszedł."),
    ("sv", "Det är t.ex. bra.| Kl. 3 kom han.| – Ja, sa han.| – Nej."),
    ("nl", "Dhr. Jansen kwam bijv. om 3 uur.| ’s Morgens ging hij."),
    ("tr", "Bu 3. sıra.| Dr. Ali geldi mi?| Evet."),
    ("el", "Τι κάνεις;| Καλά.| Ο κ. Παπαδόπουλος ήρθε."),
    ("zh", "“真的吗？”|她问。|“是的！”|他说：“我走了。”|然后他走了。"),
    ("zh", "他……他走了。|「你好。」|「再見！」|他笑了……然后哭了。"),
    ("zh", "价格是3.14元。|见www.a.com。|完"),
    ("zh", "他说：“走吧！”，然后走了。"),
    ("ja", "「行こう。」と彼は言った。|「え？」|「うん。」|彼は笑った。"),
    ("ja", "そうか……。|そして、終わった！？|本当？|　はい。|彼は「終わりだ。」と言って、去った。"),
    ("ko", "안녕하세요.| “정말요?”라고 물었다.| 그래...| 그럼.| 1.5미터다!| 응."),
    ("hi", "यह एक वाक्य है।| यह दूसरा है॥| क्या?| हाँ।"),
    ("ar", "كيف حالك؟| أنا بخير.| شكرا!"),
    ("hy", "Սա նախադասություն է։| Երկրորդը։"),
    ("my", "ဒါဟာ။| ဒုတိယ။"),
    ("am", "ይህ ነው።| ሁለተኛ።"),
    ("ka", "ეს არის.| მეორე."),
    ("en", "One line|\n\nAnother without a stop"),
    ("qqq", "An unknown language.| Dr. Who knows it."),
]


@pytest.mark.parametrize(("language", "marked"), CUTS)
def test_sentence_ends_are_found(language: str, marked: str) -> None:
    text = marked.replace("|", "")
    ends = sentence_ends(text, lambda _: language)
    found = "".join(("|" if offset in ends else "") + character for offset, character in enumerate(text))
    assert found == marked
    assert ends[-1] == len(text)


def test_a_line_ends_a_sentence_only_where_asked() -> None:
    text = "CHAPTER ONE\nThe Beginning"
    assert sentence_ends(text, lambda _: "en") == [len(text)]
    assert sentence_ends(text, lambda _: "en", lines=True) == [11, len(text)]


def test_each_stop_is_judged_in_its_own_language() -> None:
    text = "Siehe Abs. Neu. See abs. Then go."
    german = len("Siehe Abs. Neu.")
    mixed = sentence_ends(text.replace("Abs. Neu", "bzw. Neu"), lambda at: "de" if at < german else "en")
    assert mixed == [15, 24, 33]
    assert sentence_ends(text.replace("Abs. Neu", "bzw. Neu"), lambda _: "en") == [10, 15, 24, 33]
