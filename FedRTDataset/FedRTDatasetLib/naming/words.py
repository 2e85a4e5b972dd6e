"""The words of a ROI name: spelling made uniform, the side (left, right, both) told apart from the rest.

A side is only ever read from a word that says so; nothing here guesses one.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from .greek import greek_letters_only, is_greek, latin_spellings

LEFT, RIGHT, BOTH = "L", "R", "B"

_LETTERS = str.maketrans({"ß": "ss", "œ": "oe", "æ": "ae", "ł": "l", "ø": "o", "đ": "d", "ı": "i"})

# Words that can stand anywhere in the name: English, Spanish, German, French, Italian, Dutch, Polish, Latin, Greek.
_SIDES = {
    LEFT: "left lt lft lefts izq izqu izqda izqdo izquierda izquierdo izquierdas izda izdo gauche gche lks links linke linker "
    "linkes linken linkse sinistra sinistro sinister sinistri sinistre sinistrum sx lewy lewa lewe lewej lewego lewo "
    "αριστερος αριστερη αριστερο αριστερα αριστερου αριστερης αριστ",
    RIGHT: "right rt rgt rht drcha dcha dcho drch derecha derecho derechas droit droite drt dte rechts rechte rechter rechtes "
    "rechten rechtse destra destro destri destre dexter dextra dextrum dx prawy prawa prawe prawej prawego prawo "
    "δεξιος δεξια δεξιο δεξι δεξιου δεξιας",
    BOTH: "both bilat bilateral bilaterally bilateralis beide beider beiden bds beidseits beidseitig ambos ambas bilaterales "
    "bilaterale deux bilateraux entrambi entrambe bilaterali obie oba obydwa obustronnie total αμφω αμφοτεροι αμφοτερα "
    "αμφοτερες αμφοτεροπλευρα",
}
# Short words mean a side only as the name's first or last word, and most only beside a word of their own language:
# "g" is left after "rein" (French) and gland after "parotid", "sin" is left in Italian and "without" in Spanish.
_SHORT_SIDES = {
    LEFT: "l: g:fr li:de,nl iz:es lew:pl sin:it,de,nl,pl sn:it gch:fr αρ:el αρι:el α:el ar:el arist:el",
    RIGHT: "r: d:fr,es,it re:de,nl der:es dch:es dest:it des:it dex: dext: praw:pl p:pl dt:fr dr:fr δε:el δεξ:el δ:el de:el "
    "dek:el",
}
_ONLY_BESIDE_ITS_OWN = {"p"}
"""Sides that count only beside a word that no other language has: "femur p" may be Polish or a posterior femur."""


def _side_words() -> dict[str, str]:
    words = {}
    for side, text in _SIDES.items():
        for word in text.replace("ς", "σ").split():  # as `without_accents` writes it
            words[word] = side
            if is_greek(word) and len(word) > 3:
                words |= {spelling: side for spelling in latin_spellings(word)}
    return words


_SIDE_OF = _side_words()
_SHORT_SIDE_OF = {
    word: (side, frozenset(languages.split(",")) if languages else None)
    for side, words in _SHORT_SIDES.items()
    for word, _, languages in (entry.partition(":") for entry in words.split())
}


@dataclass(frozen=True)
class Words:
    """A ROI name taken apart.

    words: all of them, lower case, without accents. rest: those that name no side. sides: the sides found, without repeats.
    languages: those in which the side's word means a side, None for any. strict: it does so only beside a word that no
    other language shares.
    """

    words: tuple[str, ...]
    rest: tuple[str, ...]
    sides: frozenset[str]
    languages: frozenset[str] | None = None
    strict: bool = False


def split_name(name: str) -> Words:
    """Take a ROI name apart: `FemoralHead_Lt` is femoral, head, on the left."""
    return take_sides(split_words(name))


def take_sides(words: Sequence[str]) -> Words:
    """Tell the words that name a side from the rest."""
    words = tuple(words)
    if len(words) < 2:
        return Words(words, words, frozenset())
    rest, sides, languages, strict = [], set(), None, False
    for n, word in enumerate(words):
        at_an_end = n in (0, len(words) - 1)
        if word in _SIDE_OF:
            sides.add(_SIDE_OF[word])
        elif word in _SHORT_SIDE_OF and (at_an_end or word in ("l", "r")):
            side, spoken = _SHORT_SIDE_OF[word]
            sides.add(side)
            strict |= word in _ONLY_BESIDE_ITS_OWN
            if spoken is not None:
                languages = spoken if languages is None else languages & spoken
        else:
            rest.append(word)
    return Words(words, tuple(rest), frozenset(sides), languages, strict)


def glued_sides(word: str) -> list[tuple[str, str, frozenset[str] | None]]:
    """(rest of the word, side, languages) for every side word that begins or ends it: `kidneyleft`, `niereli`, `lkidney`.

    A single letter is a side only in English, and not where the word would become an adjective (`cochlea`, `cochlear`).
    """
    found = []
    for text, side, languages in _GLUED:
        rest_front, rest_back = word[len(text) :], word[: -len(text)]
        if word.startswith(text) and len(rest_front) >= 3:
            found.append((rest_front, side, languages))
        if word.endswith(text) and len(rest_back) >= 3 and not (len(text) == 1 and rest_back[-1] in "a"):
            found.append((rest_back, side, languages))
    return found


_GLUED = [
    *((word, side, None) for word, side in _SIDE_OF.items() if len(word) >= 4 and side != BOTH),
    *((w, _SIDE_OF[w], frozenset({"en"})) for w in ("lt", "rt")),
    *((w, _SIDE_OF[w], frozenset({"es"})) for w in ("izq", "dcha", "dcho")),
    *((w, _SIDE_OF[w], frozenset({"it"})) for w in ("sx", "dx")),
    *((w, _SHORT_SIDE_OF[w][0], frozenset({"de"})) for w in ("li", "re")),
    ("der", RIGHT, frozenset({"es"})),
    ("l", LEFT, frozenset({"en"})),
    ("r", RIGHT, frozenset({"en"})),
]


def split_words(name: str) -> list[str]:
    """The words and numbers of a name, lower case, without accents; a change from small to capital letter parts words.

    A letter with its number stays one word (`L3` is a vertebra, not a left three).
    """
    text = greek_letters_only(unicodedata.normalize("NFC", name.strip()))
    text = re.sub(
        r"\b([LlRr])\s*(?:\+|&)\s*([LlRr])\b", lambda m: " both " if m[1].lower() != m[2].lower() else m[0], text
    )
    text = re.sub(r"^([LR])(?=[A-Z][a-z]{2})", r"\1 ", text)  # LKidney
    text = "".join(
        f" {c}" if c.isupper() and text[n - 1 : n].islower() else c for n, c in enumerate(text)
    )  # SpinalCord
    text = re.sub(r"(?<=\d)(st|nd|rd|th)\b", " ", without_accents(text))  # 5th rib
    letter = "[a-zα-ω]"
    return re.findall(rf"(?<![a-zα-ω0-9]){letter}[0-9]{{1,2}}(?![a-zα-ω0-9])|{letter}+|[0-9]+", text)


def without_accents(text: str) -> str:
    """Lower case, accents removed, ligatures and the letters of Polish and German written in plain Latin ones."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(c for c in plain if not unicodedata.combining(c)).translate(_LETTERS)


def key_of(words: Sequence[str]) -> str:
    """What two spellings of one name share: no spaces, and a German umlaut the same however it is written."""
    return re.sub("(?<=[aou])e", "", "".join(words))
