"""Which TG-263 name a ROI name means: rules a physicist can follow, and no answer where they leave a doubt.

A wrong structure or side in a training set does more harm than a missing one. So a paired organ without its side stays
unnamed, names that are near but not equal are suggestions that wait for approval, and planning helpers are never anatomy.
"""

import functools
import re
from dataclasses import dataclass

from .name_words import BOTH, LEFT, RIGHT, Words, key_of, split_name
from .structures import table_rows


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LANGUAGES = ("en", "es", "de", "fr", "it", "nl", "pl")
CONFIDENT = 0.9
"""Proposals from this confidence on are used without waiting for a reviewer."""

TARGETS = ("gtv", "ctv", "itv", "ptv")
_OPEN_TARGETS = ("target of a dose level or number", "target of a site")
_IMAGING = _words("ct mr mri mrt irm rm tac pet fdg flair ax fused")
_PRIMARY = _words("mass tumor tumour primary prim p t")
_NODAL = _words("n node nodes nodal ln")
_LEVEL = _words(
    "gy cgy high low mid int intermediate hd ld risk hr lr ir boost sib phase ph total all sum final new old"
)
_COMBINING = _words("minus sub without sin ohne sans senza bez zonder crop cropped not in and und y et e en i")


@dataclass(frozen=True)
class NameProposal:
    """tg263: the TG-263 name, or None. confidence: 0 to 1. rule: what led to it, for the reviewer."""

    tg263: str | None
    confidence: float
    rule: str

    @property
    def recognised(self) -> bool:
        """False where somebody has to say what the name means."""
        return self.confidence >= CONFIDENT or self.rule.startswith("helper") or self.rule in _OPEN_TARGETS


def propose(roi_name: str) -> NameProposal:
    """What a ROI name means."""
    exact = _exact_names().get(_plain(roi_name))
    if exact is not None:
        return NameProposal(exact, 1.0, "TG-263 name")
    words = split_name(re.sub(r"^\s*OAR[\s_\-:]+", "", roi_name, flags=re.IGNORECASE))
    helper = _helper(roi_name, words)
    if helper is not None:
        return NameProposal(None, 0.0, f"helper: {helper}")
    if any(word in TARGETS or (word[:-1] in TARGETS and word[-1] in "pn") for word in words.words):
        return _target(words)
    return _anatomy(words)


def _plain(name: str) -> str:
    """Any separator is the same, but none is not: `cochlear` is not `Cochlea_R`."""
    return re.sub(r"[\s_\-.]+", "_", name.strip().casefold())


@functools.cache
def _exact_names() -> dict[str, str]:
    return {_plain(row["name"]): row["name"] for row in table_rows()}


# --- planning helpers -------------------------------------------------------------------------------------------------

_HELPER_WORDS = {
    "ring": "ring shell rind halo anillo anneau anello ringe pierscien schale corona",
    "dose region": "dose dosis dosi isodose isodosis isodosi isodoza dawka idl cgy isod hotspot coldspot",
    "couch or device": "couch table tisch mesa camilla lettino stol blat tafel couchsurface couchinterior cradle baseplate "
    "immobilization immobilisation immobilizer mask maske mascara masque maschera bolus vacloc wingboard halcyon rails "
    "breastboard headrest tabletop tischplatte",
    "point": "icru iso isocenter isocentre isocentro isozentrum isocentrum izocentrum isoc poi point punto punkt punt "
    "origin ref refpoint reference referenz norm normpoint calcpt marker markers marke bb laser tattoo setup match",
    "marker or artefact": "fiducial fiducials fiduciales seed seeds goldseed clip clips wire artefact artefacts artifact "
    "artifacts artefacto artefactos artefakt artefakte artefatto filling fillings dental gas contrast contraste kontrast "
    "metal metall stent catheter katheter foley pacemaker",
    "planning aid": "opt optim optimization optimisation optstr avoid avoidance overlap dummy test tmp help helper hilf "
    "hilfs hilfsstruktur hilfskontur push pull control ctrl tuning hot cold expand expanded exp block blocks dosefill "
    "airfill buffer densities override density planning auxiliar aux pomoc pomocnicza",
    "planning risk volume": "prv",
    "margin": "margin rand margen marge margine",
}
_HELPER_OF = {word: kind for kind, words in _HELPER_WORDS.items() for word in words.split()}


def _helper(roi_name: str, words: Words) -> str | None:
    """Why the name is that of a planning helper, or None."""
    text = roi_name.strip().casefold()
    if not words.words:
        return "no letters or digits"
    if re.match(r"(z+|x+|zz+)[_\s.\-]", text) or re.match(r"z[A-Z]", roi_name.strip()) or text[0] in "_~#$*":
        return "marked as not for evaluation"
    if "%" in text or re.search(r"\bv\s?\d+\b", text) or re.fullmatch(r"d\d+", text):
        return "dose region"
    for word in words.words:
        if word in _HELPER_OF:
            return _HELPER_OF[word]
    if "air" in words.words and "way" not in words.words:
        return "air"
    if re.search(r"[+\-]\s*\d+([.,]\d+)?\s*(mm|cm)", text) or re.search(r"\d\s*(mm|cm)\b", text):
        return "margin"
    targets = [word for word in words.words if word[:3] in TARGETS and len(word) <= 4]
    if targets and len(words.words) > 1:
        others = [word for word in words.rest if word not in targets and not word.isdigit()]
        combined = re.search(r"[a-z]\s*[-!&]\s*[a-z]", text) is not None
        if len(targets) > 1 and not _COMBINING.isdisjoint([*others, "minus"]) and len(set(targets)) > 1:
            return "combination"
        if any(word in _COMBINING for word in others) or (combined and _names_anatomy(others)):
            return "combination"
        if words.words[0] not in targets and _names_anatomy(others):
            return "combination"
    return None


def _names_anatomy(words: list[str]) -> bool:
    return bool(words) and any(
        key_of(words[a:b]) in _families() for a in range(len(words)) for b in range(a + 1, len(words) + 1)
    )


# --- targets ----------------------------------------------------------------------------------------------------------


def _target(words: Words) -> NameProposal:
    """`GTV_Mass_MR_T1` is the primary tumour; a dose level or a site leaves open which of several targets is meant."""
    first = words.words[0]
    base, suffix = (first[:3], first[3:]) if first[:3] in TARGETS and first[3:] in ("", "p", "n") else ("", "")
    if not base:
        family = _families().get(key_of(words.words))
        name = family.get(None) if family else None
        return NameProposal(name, 0.95, "synonym") if name else NameProposal(None, 0.0, "target of unknown kind")
    name = base.upper() + suffix
    rest = list(words.words[1:])
    if not {"mr", "mri", "mrt", "irm", "rm"}.isdisjoint(rest):  # T1 and T2 are images here, elsewhere tumours
        rest = re.sub(r"\bt [12]\b", "mr", " ".join(rest)).split()
    told = [word for word in rest if word not in _IMAGING]
    if not told:
        return NameProposal(name, 0.95 if rest else 1.0, "target, imaging named" if rest else "TG-263 name")
    if set(told) <= _PRIMARY and suffix != "n":
        return NameProposal(base.upper() + "p" if base != "itv" else "ITV", 0.95, "primary target")
    if set(told) <= _NODAL and suffix != "p":
        return NameProposal(base.upper() + "n" if base != "itv" else "ITV", 0.95, "nodal target")
    if all(word.isdigit() or word in _LEVEL for word in told):
        return NameProposal(name, 0.6, _OPEN_TARGETS[0])
    if _names_anatomy(told):
        return NameProposal(name, 0.5, _OPEN_TARGETS[1])
    return NameProposal(None, 0.0, "target of unknown kind")


# --- anatomy ----------------------------------------------------------------------------------------------------------


@functools.cache
def _families() -> dict[str, dict[str | None, str]]:
    """Key of a name without its side -> {side or None: TG-263 name}."""
    families: dict[str, dict[str | None, str]] = {}
    for row in table_rows():
        side = {"Left": LEFT, "Right": RIGHT, "Right and left": BOTH}.get(row["laterality"].partition("|")[2])
        own = row["name"].rsplit("_", 1)[0] if side in (LEFT, RIGHT) else row["name"]
        synonyms = [own, *(s for language in LANGUAGES for s in row[f"synonyms_{language}"].split(";") if s)]
        for synonym in synonyms:
            family = families.setdefault(key_of(split_name(synonym).words), {})
            if family.setdefault(side, row["name"]) != row["name"]:
                raise ValueError(f"structures.csv: {synonym!r} means both {family[side]} and {row['name']}")
    pairs = {row["snomed"]: row["name"] for row in table_rows() if row["laterality"].endswith("|Right and left")}
    codes = {row["name"]: row["snomed"] for row in table_rows()}
    for family in families.values():
        if LEFT in family and codes[family[LEFT]] in pairs:
            family.setdefault(BOTH, pairs[codes[family[LEFT]]])  # "kidney, both sides" are the kidneys
    return families


@functools.cache
def _languages() -> dict[str, set[str]]:
    """Key of a name without its side -> the languages it is a word of."""
    languages: dict[str, set[str]] = {}
    for row in table_rows():
        for language in LANGUAGES:
            for synonym in filter(None, row[f"synonyms_{language}"].split(";")):
                languages.setdefault(key_of(split_name(synonym).words), set()).add(language)
    return languages


def _anatomy(words: Words) -> NameProposal:
    whole = _families().get(key_of(words.words))  # a word such as "total" may be part of the name itself
    if whole is not None and words.sides <= {BOTH}:
        return _of_family(whole, None)
    if len(words.sides) > 1:
        return NameProposal(None, 0.0, "contradictory sides")
    side = next(iter(words.sides), None)
    if words.languages is not None and words.languages.isdisjoint(_languages().get(key_of(words.rest), ())):
        return NameProposal(None, 0.0, "side not certain")
    family = _families().get(key_of(words.rest))
    return _near_miss(words, side) if family is None else _of_family(family, side)


def _of_family(family: dict[str | None, str], side: str | None, confidence: float = 0.95) -> NameProposal:
    if side in family:
        return NameProposal(family[side], confidence, "synonym")
    if side is None:
        if set(family) == {BOTH}:  # a plural names both
            return NameProposal(family[BOTH], confidence, "synonym")
        return NameProposal(None, 0.0, "side missing")
    return NameProposal(None, 0.0, "this side has no TG-263 name here")


def _near_miss(words: Words, side: str | None) -> NameProposal:
    """A suggestion for the reviewer: one letter wrong, or a side written onto the word (`lkidney`)."""
    key = key_of(words.rest)
    if side is None and len(words.words) == 1 and key[:1] in ("l", "r"):
        family = _families().get(key[1:], {})
        glued = family.get(key[0].upper())
        if glued is not None and len(key) > 4:
            return NameProposal(glued, 0.8, "side written onto the name")
    if len(key) >= 6 and all(len(word) > 1 for word in words.rest):
        near = {_of_family(family, side).tg263 for other, family in _families().items() if _misspelt(key, other)}
        if side is not None:
            near.discard(None)
        if len(near) == 1 and near != {None}:
            return NameProposal(near.pop(), 0.7, "spelling differs by one letter")
    return NameProposal(None, 0.0, "unknown")


def _misspelt(a: str, b: str) -> bool:
    """One letter of `b` added, missing, changed, or two neighbours swapped; but not a letter at an end that may be a side."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    if (a[:-1] == b and a[-1] in "lrgd") or (a[1:] == b and a[0] in "lrgd"):
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    return (
        rest_a[1:] == rest_b[1:]
        or rest_a[1:] == rest_b
        or rest_a == rest_b[1:]
        or (rest_a[1::-1] == rest_b[:2] and rest_a[2:] == rest_b[2:])
    )
