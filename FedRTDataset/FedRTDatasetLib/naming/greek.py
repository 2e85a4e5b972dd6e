"""Greek ROI names, in Greek letters and as they are typed in Latin ones (`nefros aristeros`, `NEFROS DEKSIOS`).

A word of the table is written in Greek letters; `latin_spellings` lists how people type it (ELOT 743 and the usual
look-alike and sound-alike habits), so that names are compared letter by letter and nothing is guessed.
"""

import itertools
import re

_TWO = {"ου": ("ou", "u", "oy"), "αυ": ("af", "av", "au"), "ευ": ("ef", "ev", "eu"), "μπ": ("mp", "b"), "ντ": ("nt", "d"),
        "γγ": ("gg", "ng"), "γκ": ("gk", "g"), "γχ": ("gch", "nch", "gx"), "τζ": ("tz",), "τσ": ("ts",)}  # fmt: skip
_ONE = {
    "α": ("a",), "β": ("v", "b"), "γ": ("g",), "δ": ("d",), "ε": ("e",), "ζ": ("z",), "η": ("i", "h"), "θ": ("th",),
    "ι": ("i",), "κ": ("k",), "λ": ("l",), "μ": ("m",), "ν": ("n",), "ξ": ("x", "ks"), "ο": ("o",), "π": ("p",), "ρ": ("r",),
    "σ": ("s",), "τ": ("t",), "υ": ("y", "i", "u"), "φ": ("f", "ph"), "χ": ("ch", "x", "h"), "ψ": ("ps",), "ω": ("o", "w"),
}  # fmt: skip
_LOOKALIKES = dict(zip("ABEZHIKMNOPTYXo", "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", strict=True))
_GREEK = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")


def is_greek(text: str) -> bool:
    """True if any letter is Greek."""
    return _GREEK.search(text) is not None


def greek_letters_only(name: str) -> str:
    """Words that mix both alphabets, as a keyboard switched half-way leaves them, in Greek letters (`KΑΡΔΙA`)."""

    def repair(match: re.Match) -> str:
        word = match[0]
        latin = [c for c in word if c.isascii()]
        if not latin or not is_greek(word) or any(c not in _LOOKALIKES for c in latin):
            return word
        return "".join(_LOOKALIKES.get(c, c) for c in word)

    return re.sub(r"[^\W\d_]+", repair, name)


def latin_spellings(word: str) -> set[str]:
    """Every way in which a Greek word (lower case, without accents) is typed in Latin letters.

    A person types one letter the same way throughout a word, so the choices are made a letter, not a place.
    """
    pieces = re.findall("|".join([*_TWO, "."]), word)
    choices = {piece: _TWO.get(piece) or _ONE.get(piece) or (piece,) for piece in pieces}
    letters = list(choices)
    spellings = set()
    for picked in itertools.product(*(choices[letter] for letter in letters)):
        written = dict(zip(letters, picked, strict=True))
        spellings.add("".join(written[piece] for piece in pieces))
    return spellings
