"""Target volumes: which TG-263 target a name means, and where it leaves open which of several."""

import re

from .helpers import TARGETS
from .words import Words

DOSE_LEVEL = "target of a dose level or number"
SITE = "target of a site"
OPEN_TARGETS = (DOSE_LEVEL, SITE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_IMAGING = _words("ct mr mri mrt irm rm tac tc tk pet fdg flair ax fused tdm mra psma spect")
_MAGNETIC = _words("mr mri mrt irm rm mra")
_PRIMARY = _words(
    "mass tumor tumour primary prim p t tumore tumeur guz ογκος primaer primario primaire primair pierwotny"
)
_NODAL = _words(
    "n node nodes nodal ln lymph lymphnodes lymphknoten lk ganglios ganglions linfonodi wezly klieren λεμφαδενες"
)
_LEVEL = _words(
    "gy cgy high low mid int intermediate hd ld risk hr lr ir boost sib phase ph total all sum final new old x fx fr frac i ii "
    "iii iv v vi a b c d e l r left right li re dose main haut bas alto basso bajo hoch niedrig"
)
_SUFFIXES = {"": "", "p": "p", "n": "n", "t": "p"}


def is_target(words: Words) -> bool:
    """True if a word says GTV, CTV, ITV or PTV."""
    return any(word in TARGETS or (word[:-1] in TARGETS and word[-1] in _SUFFIXES) for word in words.words)


def target(words: Words, names_anatomy) -> tuple[str | None, float, str]:
    """(TG-263 name, confidence, rule). `GTV_Mass_MR_T1` is the primary tumour; a dose level or a site leaves open which."""
    first = words.words[0]
    kind, suffix = first[:3], _SUFFIXES.get(first[3:])
    if kind not in TARGETS or suffix is None:
        return None, 0.0, "target of unknown kind"
    name = _with(kind, suffix)
    told = _without_imaging(words.words[1:])
    if not told:
        imaging = len(words.words) > 1
        if first[3:] == "t":
            return name, 0.95, "primary target"
        return name, (0.95 if imaging else 1.0), ("target, imaging named" if imaging else "TG-263 name")
    if set(told) <= _PRIMARY and suffix != "n":
        return _with(kind, "p"), 0.95, "primary target"
    if set(told) <= _NODAL and suffix != "p":
        return _with(kind, "n"), 0.95, "nodal target"
    if all(word.isdigit() or word in _LEVEL or re.fullmatch(r"[a-z]\d+", word) for word in told):
        return name, 0.6, DOSE_LEVEL
    if names_anatomy(told) or any(word in _NODAL for word in told):
        return name, 0.5, SITE
    return None, 0.0, "target of unknown kind"


def _with(kind: str, suffix: str) -> str:
    return "ITV" if kind == "itv" else kind.upper() + suffix


def _without_imaging(words: tuple[str, ...]) -> list[str]:
    """What is told beside the images; T1 and T2 are images where MR is named, elsewhere tumours."""
    magnetic = not _MAGNETIC.isdisjoint(words)
    return [word for word in words if word not in _IMAGING and not (magnetic and word in ("t1", "t2"))]
