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
    LEFT: "left lt lft lefts izq izqu izqda izqdo izquierda izquierdo izda izdo gauche gche li lks links linke linker linkes "
    "linken sinistra sinistro sinister sinistri sx lewy lewa lewe lewej lewego",
    RIGHT: "right rt rgt rht drcha dcha dcho drch derecha derecho droit droite re rechts rechte rechter rechtes rechten destra "
    "destro dexter dextra dx prawy prawa prawe prawej prawego",
    BOTH: "both bilat bilateral bilateralis beide beider bds beidseits ambos ambas bilaterales deux bilateraux entrambi "
    "entrambe obie oba obydwa total",
}
# Short words that mean a side only as the name's first or last word: in the middle they are something else ("der", "sin").
_SHORT_SIDES = {LEFT: "l g iz sin sn lew", RIGHT: "r d der dch dr dex dext dest dt praw"}
_SIDE_OF = {word: side for side, words in _SIDES.items() for word in words.split()}
_SHORT_SIDE_OF = {word: side for side, words in _SHORT_SIDES.items() for word in words.split()}


@dataclass(frozen=True)
class Words:
    """A ROI name taken apart.

    words: all of them, lower case, without accents. rest: those that name no side. sides: the sides found, without repeats.
    """

    words: tuple[str, ...]
    rest: tuple[str, ...]
    sides: frozenset[str]


def split_name(name: str) -> Words:
    """Take a ROI name apart: `FemoralHead_Lt` is femoral, head, on the left."""
    words = tuple(split_words(name))
    rest, sides = [], set()
    for n, word in enumerate(words):
        at_end = len(words) > 1 and n in (0, len(words) - 1)
        side = _SIDE_OF.get(word) or (_SHORT_SIDE_OF.get(word) if at_end else None)
        if side is None or len(words) == 1:
            rest.append(word)
        else:
            sides.add(side)
    return Words(words, tuple(rest), frozenset(sides))


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
