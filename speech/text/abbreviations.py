"""Abbreviations whose full stop does not end a sentence, by language.

Lower case, without the last full stop. Single letters ("J. R. R.", "z. B.", "т. е.") and dotted words
("U.S.", "e.g.", "z.B.") need no entry: `speech.text.sentence` knows them by their shape.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Abbreviations(NamedTuple):
    """Three sorts of abbreviation, by what may follow them."""

    never: frozenset[str]
    """Never the last word of a sentence: "Mr.", "Dr.", "bzw."."""
    numbered: frozenset[str]
    """An abbreviation only before a number: "No. 5", "Dec. 3rd", "p. 12"."""
    sometimes: frozenset[str]
    """May end a sentence as well: "etc.", "Ltd.", "usw."."""


def _words(blank_separated: str) -> frozenset[str]:
    return frozenset(blank_separated.split())


def _sort(never: str, numbered: str = "", sometimes: str = "") -> Abbreviations:
    return Abbreviations(_words(never), _words(numbered), _words(sometimes))


_EVERYWHERE: Final = _sort(
    "dr prof mr mrs st vs cf mme mlle",
    "no nr nos vol fig p pp art cap chap ch sec § jan feb apr aug sept sep oct okt nov dec dez",
    "etc ca al",
)

_BY_LANGUAGE: Final = {
    "en": _sort(
        "mr mrs ms messrs mmes dr drs prof rev revd fr hon sr. st ste mt gen col maj capt cpt cmdr lt"
        " lieut sgt"
        " cpl pvt adm gov sen rep pres supt insp det esqr viz vs v cf e.g i.e approx mlle mme mons",
        "no nos vol vols fig figs p pp art ch chap sec para pt bk ed eq jan feb apr aug sept sep oct nov dec"
        " op cat ver tel ext §",
        "etc jr sr esq inc ltd co corp bros dept est ave blvd rd sq bart al ibid ph.d m.d b.a m.a a.m p.m"
        " u.s u.k u.n u.s.a d.c n.y b.c a.d v.c m.p k.c q.c anon abbr misc avg min max",
    ),
    "de": _sort(
        "hr hrn herr fr frl dr prof dipl ing mag st hl bzw ca vgl sog ggf evtl inkl exkl zzgl allg bspw"
        " z.b d.h u.a o.ä i.d.r z.t z.zt s.o s.u v.a m.e geb gest gegr verh jun sen phil med jur rer nat hon"
        " mio mrd insb bes urspr eigtl österr dt engl frz ital lat griech röm str",
        "nr bd s abb abs art kap tab ziff jan feb mrz apr aug sept okt nov dez tel",
        "usw usf etc u.s.w u.s.f jh jhd jhdt n.chr v.chr chr",
    ),
    "fr": _sort(
        "m mm mme mmes mlle mlles dr pr me mgr st ste av bd cf p.ex c.-à-d càd env vs",
        "no nos n° p pp vol chap art fig t éd janv févr avr juil sept oct nov déc tél",
        "etc apr j.-c",
    ),
    "es": _sort(
        "sr sra srta sres sras d da dña dr dra prof ud uds vd vds lic ing gral cnel cap sto sta av avda"
        " cf p.ej"
        " ej excmo excma fr",
        "n.º núm nº pág págs vol cap art fig ene feb abr ago sept oct nov dic tel",
        "etc ee.uu a.c d.c",
    ),
    "it": _sort(
        "sig sigg sig.ra sig.na dott dott.ssa prof prof.ssa ing avv arch geom rag on sen mons don s ss"
        " p.es cfr"
        " cd es",
        "n nn pag pagg vol cap art fig genn febbr apr ag sett ott nov dic tel",
        "ecc etc a.c d.c",
    ),
    "pt": _sort(
        "sr sra srs sras srta dr dra drs prof profa exmo exma d v vs eng av gen cel cap p.ex cf",
        "n.º nº núm pág págs vol cap art fig jan fev abr ago set out nov dez tel",
        "etc a.c d.c",
    ),
    "nl": _sort(
        "dhr mevr mw dr drs ir ing mr prof st ds jhr bijv bv resp d.w.z m.b.t o.a t.o.v i.p.v z.g zgn ca"
        " vgl o.l.v",
        "nr blz p pag afb art hfdst jan febr apr aug sept okt nov dec tel",
        "enz etc e.d m.a.w n.chr v.chr",
    ),
    "sv": _sort(
        "bl.a t.ex d.v.s dvs s.k t.o.m fr.o.m ca resp jfr dr prof st f.d kl",
        "nr s sid kap bd fig jan febr apr aug sept okt nov dec tel",
        "osv etc m.m o.s.v m.fl e.kr f.kr",
    ),
    "da": _sort(
        "bl.a f.eks dvs d.v.s ca jf hr fr frk dr prof st kl", "nr s kap bd fig", "osv etc m.m m.fl o.s.v"
    ),
    "nb": _sort(
        "bl.a f.eks dvs d.v.s ca jf hr fr frk dr prof st kl", "nr s kap bd fig", "osv etc m.m m.fl o.s.v"
    ),
    "pl": _sort(
        "p pp dr prof mgr inż hab ks św płk gen kpt por np m.in tzn tj tzw ok ob ul al im pt ww",
        "nr str s ryc rys rozdz tab t godz tel",
        "itd itp etc r w n.e p.n.e",
    ),
    "cs": _sort(
        "p pí sl dr mudr ing mgr prof doc sv tzv tj tzn např např resp cca mj ul",
        "č str s kap obr",
        "atd apod aj",
    ),
    "ru": _sort(
        "г-н г-жа гр тов проф акад доц им ул пл просп св см ср напр т.е т.к т.н т.о д-р о-в",
        "стр с гл рис табл т № п ст илл кв д тел янв февр апр авг сент окт нояб дек",
        "г гг в вв др пр т.д т.п руб коп тыс млн млрд н.э",
    ),
    "uk": _sort(
        "п пп проф акад доц ім вул просп св див напр т.зв тобто",
        "с стор гл рис табл т № п ст",
        "р рр ст ін т.д т.п грн",
    ),
    "el": _sort("κ κα κος δρ π.χ δηλ βλ πρβλ καθ αγ", "αρ σ σελ τ κεφ εικ", "κ.λπ κλπ κ.ά κ.ο.κ μ.χ π.χ."),
    "tr": _sort("dr prof doç av sn bkz örn yard st", "no s sf cilt", "vb vs vd m.ö m.s"),
    "vi": _sort("ts ths gs pgs bs ks tp q p", "số tr", "v.v"),
    "hu": _sort("dr prof pl ún kb ill id ifj özv ld vö sz", "o old", "stb i.sz i.e"),
    "fi": _sort("dr prof esim ns mm ts nk vrt ks", "s nro luku", "jne yms ym eaa jaa"),
    "ro": _sort("dl dna dra dr prof ing d-l d-na sf str ex p.ex", "nr pag vol art fig", "etc ș.a"),
}

ORDINAL_LANGUAGES: Final = _words("de da nb nn no fi cs sk hu hr sr bs sl et lv tr is lb pl eu")
"""Languages that write "3." for "third", so that a full stop after a small number says little."""

STARTERS: Final = _words(
    "the a an he she it we they you i this that these those there here but and or so then when while if as at"
    " in on for from with what who why how where his her its our their my your not no yes now after before"
    " once one some all every each another both although though because since until perhaps"
)
"""English words that, capitalised after an abbreviation or an initial, begin a sentence and not a name."""


def abbreviations_of(language: str) -> Abbreviations:
    """The abbreviations of a BCP 47 language, by its primary subtag; or a few known to many."""
    return _BY_LANGUAGE.get(language.partition("-")[0], _EVERYWHERE)
