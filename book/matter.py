"""Which chapters are front or back matter, by what the book calls them.

A listener wants what the author wrote to be read: dedication pages, licences, lists and registers are left
out; epigraph, preface, foreword, introduction, prologue, epilogue, afterword and conclusion are body. What is
left out can be chosen.
"""

from __future__ import annotations

import re
import unicodedata

from book.headings import HeadingKind, read_heading
from book.structure import Matter

# Terms of the EPUB Structural Semantics Vocabulary 1.1, DPUB-ARIA roles, and the OPF 2.0 guide.
BODY_TYPES = frozenset(
    [
        "prologue",
        "epilogue",
        "introduction",
        "preface",
        "foreword",
        "afterword",
        "conclusion",
        "preamble",
        "epigraph",
    ]
)
_PLAIN_BODY_TYPES = frozenset(
    ["chapter", "part", "volume", "division", "short-story", "z3998:short-story", "se:short-story"]
)
FRONT_TYPES = frozenset(
    [
        "cover",
        "titlepage",
        "title-page",
        "halftitlepage",
        "halftitle",
        "half-title",
        "copyright-page",
        "copyrightpage",
        "copyright",
        "imprint",
        "imprimatur",
        "toc",
        "landmarks",
        "loi",
        "lot",
        "lov",
        "loa",
        "dedication",
        "acknowledgments",
        "acknowledgements",
        "seriespage",
        "other-credits",
        "errata",
        "revision-history",
        "page-list",
        "frontispiece",
    ]
)
BACK_TYPES = frozenset(
    [
        "colophon",
        "index",
        "index-group",
        "glossary",
        "bibliography",
        "appendix",
        "contributors",
        "endnotes",
        "endnote",
        "footnotes",
        "rearnotes",
        "notes",
        "backlink",
        "credits",
        "credit",
        "afterwords-list",
        "keywords",
        "biography",
        "z3998:biographical-note",
    ]
)

_FRONT_TITLES = """
cover; book cover; front cover; title page; titlepage; half title; half title page; halftitle; imprint;
copyright; copyright page; copyright notice; copyright information; legal notice; disclaimer; contents;
table of contents; brief contents; detailed contents; list of illustrations; illustrations;
list of figures; list of tables; list of maps; list of plates; dedication; acknowledgments;
acknowledgements; acknowledgment; acknowledgement; series page; frontispiece; publisher's note;
permissions; newsletter sign up; umschlag; titelseite; titelblatt; titel; schmutztitel; impressum;
inhalt; inhaltsverzeichnis; widmung; danksagung; abbildungsverzeichnis; couverture; page de titre;
page de garde; mentions légales; droits d'auteur; table des matières; sommaire; dédicace;
remerciements; portada; cubierta; portadilla; página de título; página legal; derechos de autor;
créditos; índice de contenido; contenido; tabla de contenidos; dedicatoria; agradecimientos; sumario;
capa; folha de rosto; dedicatória; agradecimentos; copertina; frontespizio; colophon e copyright;
sommario; dedica; ringraziamenti; pagina di copyright; обложка; титульный лист; содержание; оглавление;
посвящение; благодарности; 封面; 书名页; 書名頁; 扉页; 扉頁; 版权; 版權; 版权页; 版權頁; 版权信息;
版權信息; 版权声明; 目录; 目錄; 献词; 獻詞; 致谢; 致謝; 鸣谢; 鳴謝; 内容简介; 內容簡介; 表紙; 扉; 中扉;
本扉; 目次; もくじ; 献辞; 謝辞; 権利表記; 著作権表示; 표지; 속표지; 판권; 판권지; 저작권; 차례; 목차;
헌사; 감사의 말
"""
_BACK_TITLES = """
colophon; uncopyright; licence; license; the full project gutenberg license; full license;
project gutenberg license; index; indexes; bibliography; works cited; references; sources;
further reading; suggested reading; notes; endnotes; end notes; footnotes; notes and references;
glossary; appendix; appendices; list of abbreviations; abbreviations; about the author;
about the authors; about the translator; about the publisher; about this book; about this edition;
about the type; a note on the type; author biography; author bio; credits; photo credits;
illustration credits; image credits; contributors; back cover; transcriber's note; transcriber's notes;
transcriber's endnotes; transcribers' note; advertisement; advertisements; also available; errata;
newsletter; kolophon; lizenz; register; sachregister; personenregister; stichwortverzeichnis;
literaturverzeichnis; literatur; bibliographie; anmerkungen; fußnoten; fussnoten; endnoten; glossar;
anhang; über den autor; über die autorin; über dieses buch; zum autor; zum buch; bildnachweis; quellen;
quellenverzeichnis; achevé d'imprimer; licence d'utilisation; bibliographie sélective;
notes de bas de page; glossaire; annexe; annexes; à propos de l'auteur; à propos de l'auteure;
du même auteur; l'auteur; colofón; licencia; índice; índice alfabético; índice onomástico;
bibliografía; notas; notas al pie; glosario; apéndice; apéndices; sobre el autor; sobre la autora;
acerca del autor; colofão; bibliografia; glossário; notas de rodapé; sobre o autor; sobre a autora;
licença; licenza; indice analitico; indice dei nomi; note; note a piè di pagina; glossario; appendice;
sull'autore; l'autore; l'autrice; indice; указатель; примечания; библиография; об авторе; приложение;
глоссарий; лицензия; 索引; 参考文献; 參考文獻; 参考书目; 參考書目; 注释; 註釋; 注解; 註解; 脚注; 腳註;
尾注; 附录; 附錄; 作者简介; 作者簡介; 关于作者; 關於作者; 译者简介; 譯者簡介; 封底; 术语表; 词汇表;
奥付; 奥付け; 著者紹介; 著者略歴; 著者について; 訳者略歴; 注; 注記; 註; 付録; 用語集; 底本; 入力者注;
찾아보기; 색인; 참고문헌; 참고 문헌; 주석; 각주; 미주; 부록; 지은이 소개; 저자 소개; 옮긴이 소개;
작가 소개; 용어집
"""
_FRONT_BEGINNINGS = (
    "copyright ©", "copyright (c)", "praise for", "advance praise", "also by ", "other books by", "books by ",
    "other titles by",
    "more by ", "by the same author", "list of illustrations", "von derselben autorin",
    "vom selben autor", "vom gleichen autor",
)  # fmt: skip
_BACK_BEGINNINGS = (
    "about the author", "appendix ", "appendix:", "index of ", "notes to ", "notes on ", "über den autor",
    "à propos de l", "full project gutenberg",
    "the project gutenberg license", "the full project gutenberg", "transcriber's note", "bibliograph",
)  # fmt: skip


def _key(title: str) -> str:
    folded = unicodedata.normalize("NFKC", title).casefold().replace("’", "'").replace("ʼ", "'")
    return " ".join(folded.split()).strip(" .:·*-–—[]()【】「」《》")


def _keys(titles: str) -> frozenset[str]:
    return frozenset(_key(title) for title in titles.split(";"))


_FRONT_KEYS = _keys(_FRONT_TITLES)
_BACK_KEYS = _keys(_BACK_TITLES)


def judge_matter(types: frozenset[str], title: str) -> tuple[Matter, str]:
    """Where a chapter stands, with the reason if it is not body.

    Exact terms win over titles, titles over the rest.
    """
    judged = matter_of_types(types) or matter_of_title(title)
    if judged:
        return judged
    heading = read_heading(title)
    if types & _PLAIN_BODY_TYPES or (heading and heading.kind is HeadingKind.NAMED):
        return Matter.BODY, ""
    for term, matter in (("frontmatter", Matter.FRONT), ("backmatter", Matter.BACK)):
        if term in types:
            return matter, f"epub:type={term}"
    return Matter.BODY, ""


def matter_of_types(types: frozenset[str]) -> tuple[Matter, str] | None:
    """Where epub:type terms or a guide's terms put a chapter, with the reason.

    None where they say nothing exact.
    """
    for terms, matter in ((BACK_TYPES, Matter.BACK), (FRONT_TYPES, Matter.FRONT)):
        found = sorted(types & terms)
        if found:
            return matter, f"epub:type={found[0]}"
    return (Matter.BODY, "") if types & BODY_TYPES else None


def matter_of_title(title: str) -> tuple[Matter, str] | None:
    """Where a title puts a chapter, with the reason, in nine languages; None for an ordinary title."""
    key = _key(title)
    if not key:
        return None
    reason = f"title: {title}"
    if key in _FRONT_KEYS or key.startswith(_FRONT_BEGINNINGS):
        return Matter.FRONT, reason
    if key in _BACK_KEYS or key.startswith(_BACK_BEGINNINGS):
        return Matter.BACK, reason
    return None


def is_notes_title(title: str) -> bool:
    """True for the heading above a list of notes."""
    return bool(
        re.fullmatch(
            r"(?:foot|end)?notes?:?|anmerkungen|fu(?:ß|ss)noten|notes de bas de page|notas(?: al pie)?|note|"
            r"примечания|"
            r"[注註][释釋解]?|脚注|腳註|尾注|訳注|주석?|각주|미주",
            _key(title),
        )
    )


def is_contents_title(title: str) -> bool:
    """True for the heading above a contents list."""
    return bool(
        re.fullmatch(
            r"(?:table of )?contents|inhalt(?:sverzeichnis)?|table des matières|sommaire|índice|"
            r"contenido|indice|"
            r"sommario|"
            r"list of illustrations|illustrations|содержание|оглавление|目录|目錄|目次|もくじ|차례|목차",
            _key(title),
        )
    )
