"""The words of a ROI name: spelling made uniform, the side (left, right, both) told apart from the rest.

A side is only ever read from a word that says so; nothing here guesses one.
"""

import re
import unicodedata
from dataclasses import dataclass

LEFT, RIGHT, BOTH = "L", "R", "B"

_LETTERS = str.maketrans({"ß": "ss", "œ": "oe", "æ": "ae", "ł": "l", "ø": "o", "đ": "d", "ı": "i"})

# Words that can stand anywhere in the name. English, Spanish, German, French, Italian, Dutch, Polish, Latin.
_SIDES = {
    LEFT: "left lt lft lefts izq izqu izqda izqdo izquierda izquierdo izda izdo gauche gche lks links linke linker linkes "
    "linken sinistra sinistro sinister sinistri sx lewy lewa lewe lewej lewego",
    RIGHT: "right rt rgt rht drcha dcha dcho drch derecha derecho droit droite rechts rechte rechter rechtes rechten destra "
    "destro dexter dextra dx prawy prawa prawe prawej prawego",
    BOTH: "both bilat bilateral bilateralis beide beider bds beidseits ambos ambas bilaterales deux bilateraux entrambi "
    "entrambe obie oba obydwa total",
}
# Short words mean a side only as the name's first or last word, and most only beside a word of their own language:
# "g" is left after "rein" (French) and gland after "parotid", "sin" is left in Italian and "without" in Spanish.
_SHORT_SIDES = {
    LEFT: "l: g:fr li:de iz:es lew:pl sin:it,de,en,nl,pl",
    RIGHT: "r: d:fr,es,it re:de der:es dch:es dest:it dex: dext: praw:pl",
}
_SIDE_OF = {word: side for side, words in _SIDES.items() for word in words.split()}
_SHORT_SIDE_OF = {
    word: (side, frozenset(languages.split(",")) if languages else None)
    for side, words in _SHORT_SIDES.items()
    for word, _, languages in (entry.partition(":") for entry in words.split())
}


@dataclass(frozen=True)
class Words:
    """A ROI name taken apart.

    words: all of them, lower case, without accents. rest: those that name no side. sides: the sides found, without repeats.
    languages: those in which the side's word means a side, None for any.
    """

    words: tuple[str, ...]
    rest: tuple[str, ...]
    sides: frozenset[str]
    languages: frozenset[str] | None = None


def split_name(name: str) -> Words:
    """Take a ROI name apart: `FemoralHead_Lt` is femoral, head, on the left."""
    words = tuple(split_words(name))
    if len(words) < 2:
        return Words(words, words, frozenset())
    rest, sides, languages = [], set(), None
    for n, word in enumerate(words):
        if word in _SIDE_OF:
            sides.add(_SIDE_OF[word])
        elif word in _SHORT_SIDE_OF and n in (0, len(words) - 1):
            side, spoken = _SHORT_SIDE_OF[word]
            sides.add(side)
            if spoken is not None:
                languages = spoken if languages is None else languages & spoken
        else:
            rest.append(word)
    return Words(words, tuple(rest), frozenset(sides), languages)


def split_words(name: str) -> list[str]:
    """The words and numbers of a name, lower case, without accents; a change from small to capital letter parts words."""
    text = name.strip()
    text = re.sub(r"^([LR])(?=[A-Z][a-z]{2})", r"\1 ", text)  # LKidney
    text = re.sub(r"(?<=[a-zà-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])", " ", text)  # SpinalCord
    text = without_accents(text)
    text = re.sub(r"(?<=[a-z])(?=[0-9])|(?<=[0-9])(?=[a-z])", " ", text)
    return re.findall(r"[a-z]+|[0-9]+", text)


def without_accents(text: str) -> str:
    """Lower case, accents removed, ligatures and the letters of Polish and German written in plain Latin ones."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(c for c in plain if not unicodedata.combining(c)).translate(_LETTERS)


def key_of(words: tuple[str, ...] | list[str]) -> str:
    """What two spellings of one name share: no spaces, and a German umlaut the same however it is written."""
    return re.sub("(?<=[aou])e", "", "".join(words))
