"""Which TG-263 name a ROI name means: rules a physicist can follow, and no answer where they leave a doubt.

A wrong structure or side in a training set does more harm than a missing one. So a paired organ without its side stays
unnamed, names that are near but not equal are suggestions that wait for approval, and planning helpers are never anatomy.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .helpers import (
    idle_words,
    marked_as_helper,
    starts_as_helper,
    worded_as_helper,
)
from .misspelt import misspelt_families
from .targets import OPEN_TARGETS, is_target, target
from .tg263 import exactly, primary_names
from .vocabulary import Family, own_letters, vocabulary
from .words import (
    BOTH,
    Words,
    glued_sides,
    key_of,
    split_name,
    take_sides,
)

CONFIDENT = 0.9
"""Proposals from this confidence on are used without waiting for a reviewer."""

LONGEST = 200
"""Letters of a name that is looked at; DICOM allows 64."""

_ROLE = re.compile(r"^\s*((oars?|organs? at risk|rtog|nrg|tg-?263|roi|struct)[\s_\-:]+|o_)(?=\w{2})", re.IGNORECASE)


@dataclass(frozen=True)
class NameProposal:
    """tg263: the TG-263 name, or None. confidence: 0 to 1. rule: what led to it, for the reviewer."""

    tg263: str | None
    confidence: float
    rule: str

    @property
    def is_helper(self) -> bool:
        """True where the name is that of a planning aid, a device or a dose region."""
        return self.rule.startswith("helper")

    @property
    def recognised(self) -> bool:
        """False where somebody has to say what the name means."""
        return self.confidence >= CONFIDENT or self.is_helper or self.rule in OPEN_TARGETS


def propose(roi_name: str) -> NameProposal:
    """What a ROI name means."""
    if len(roi_name) > LONGEST:
        return NameProposal(None, 0.0, "too long for a name")
    exact = exactly(roi_name)
    if exact is not None and not starts_as_helper(roi_name):
        entry = primary_names().get(exact)
        if entry is None or entry.is_helper:
            return NameProposal(exact, 0.0, f"helper: TG-263 name of {_helper_kind(exact)}")
        return NameProposal(exact, 1.0, "TG-263 name")
    without_role = _ROLE.sub("", roi_name)
    words = split_name(without_role)
    marked = marked_as_helper(roi_name, words)
    if marked is not None:
        return NameProposal(None, 0.0, f"helper: {marked}")
    anatomy = _anatomy(words)
    if anatomy is not None and anatomy.tg263 is not None:
        return anatomy
    worded = worded_as_helper(without_role, words, names_anatomy)
    if worded is not None:
        return NameProposal(None, 0.0, f"helper: {worded}")
    if is_target(words):
        return NameProposal(*target(words, names_anatomy))
    if anatomy is not None:
        return anatomy
    found = _less_directly(words)
    return _said_twice(without_role) or found if found.tg263 is None else found


def names_anatomy(words: Sequence[str]) -> bool:
    """True if any run of these words names a part of the body."""
    known = vocabulary().by_letters
    runs = (key_of(words[a:b]) for a in range(len(words)) for b in range(a + 1, len(words) + 1))
    return any(run in known and not _NO_PLACE.issuperset(known[run].members.values()) for run in runs)


_NO_PLACE = {"Edema", "Scar", "SurgicalBed", "TumorBed"}


def _helper_kind(name: str) -> str:
    if "_PRV" in name or "_PTV" in name:
        return "a planning risk volume"
    return "a derived structure" if "-" in name else "an aid or a device"


# --- the whole name is that of a structure ------------------------------------------------------------------------------


def _anatomy(words: Words) -> NameProposal | None:
    """The meaning of a name all of whose words are accounted for; None where they are not those of a structure."""
    own = own_letters().get(key_of(words.words))
    if own is not None:
        return NameProposal(own, 0.98, "TG-263 name, other separators")
    whole = [f for f in _families(words.words) if words.sides <= {BOTH}]  # "total" may be part of the name itself
    if whole:
        return _of_families(whole, None)
    if words.sides == frozenset() or not _families(words.rest):
        return None
    if len(words.sides) > 1:
        return NameProposal(None, 0.0, "contradictory sides")
    if not _side_is_spoken(words):
        return NameProposal(None, 0.0, "side not certain")
    return _of_families(_families(words.rest), next(iter(words.sides)))


def _families(words: Sequence[str]) -> list[Family]:
    return vocabulary().families(words)


def _side_is_spoken(words: Words) -> bool:
    """False if the side's word is one of another language than the organ's."""
    return words.languages is None or vocabulary().spoken(words.rest, words.languages, alone=words.strict)


def _of_families(
    families: Sequence[Family], side: str | None, confidence: float = 0.95, rule="synonym"
) -> NameProposal:
    for family in families:
        if side in family.members:
            return NameProposal(family.members[side], confidence, rule)
        alone = family.members.get(None) if len(family.members) == 1 else None
        if (
            side == BOTH and alone and not alone.startswith(("GTV", "CTV", "PTV", "ITV"))
        ):  # the total rectum is the rectum
            return NameProposal(alone, min(confidence, 0.92), rule)
        if side is None and set(family.members) == {BOTH}:  # a plural names both
            return NameProposal(family.members[BOTH], confidence, rule)
    return NameProposal(None, 0.0, "side missing" if side is None else "this side has no TG-263 name here")


# --- something is before, behind or wrong in the name ----------------------------------------------------------------------


def _less_directly(words: Words) -> NameProposal:
    """What is left after vendors' words and numbers, a side written onto the word, or one wrong letter."""
    kept = [word for word in words.words if word not in idle_words() and not re.fullmatch(r"v\d+", word)]
    rule = "words of no meaning ignored" if len(kept) < len(words.words) else ""
    if len(kept) > 1 and kept[0].isdigit():
        kept, rule = kept[1:], "list number ignored"
    if rule and kept:
        found = _anatomy(take_sides(kept))
        if found is not None:
            return NameProposal(found.tg263, min(found.confidence, 0.92), rule if found.tg263 else found.rule)
        words = take_sides(kept)
    glued = _glued(words)
    if glued is not None:
        return glued
    if len(kept) > 1 and kept[-1].isdigit():
        found = _anatomy(take_sides(kept[:-1]))
        if found is not None:
            return NameProposal(found.tg263, 0.6 if found.tg263 else 0.0, "numbered: one of several, or a margin?")
    return _misspelt(words)


def _said_twice(roi_name: str) -> NameProposal | None:
    """`Seminal vesicles (SV)`: the name and, in brackets, the same once more."""
    parts = re.fullmatch(r"\s*([^()\[\]]+)[(\[]([^()\[\]]+)[)\]]\s*", roi_name)
    if parts is None:
        return None
    meanings = [_anatomy(split_name(part)) for part in parts.groups()]
    told = {meaning.tg263 if meaning else None for meaning in meanings}
    return NameProposal(told.pop(), 0.92, "said twice") if len(told) == 1 and None not in told else None


def _glued(words: Words) -> NameProposal | None:
    """A side written onto the first or the last word (`lkidney`, `parotisli`), if only one reading makes a name."""
    if words.sides or not words.words:
        return None
    readings = set()
    for n in {0, len(words.words) - 1}:
        for rest, side, languages in glued_sides(words.words[n]):
            others = [*words.words[:n], rest, *words.words[n + 1 :]]
            for family in _families(others):
                if side in family.members and (languages is None or vocabulary().spoken(others, languages)):
                    readings.add(family.members[side])
    if len(readings) == 1:
        return NameProposal(readings.pop(), 0.92, "side written onto the name")
    return None


def _misspelt(words: Words) -> NameProposal:
    """One letter wrong. A letter doubled or two swapped cannot make another word; any other slip waits for approval."""
    if len(words.sides) > 1:
        return NameProposal(None, 0.0, "contradictory sides" if _families(words.rest) else "unknown")
    side = next(iter(words.sides), None)
    key = key_of(words.rest)
    if any(len(word) < 2 for word in words.rest) or words.languages is not None:
        return NameProposal(None, 0.0, "unknown")
    surely, perhaps = misspelt_families(key)
    for families, confidence in ((surely, CONFIDENT), (perhaps, 0.7)):
        meanings = {_of_families([family], side).tg263 for family in families}
        if side is not None:
            meanings.discard(None)
        if len(meanings) == 1 and meanings != {None}:
            rule = "two letters swapped or one doubled" if confidence == CONFIDENT else "spelling differs by one letter"
            return NameProposal(meanings.pop(), confidence, rule)
        if meanings == {None}:
            return NameProposal(None, 0.0, "side missing")
    return NameProposal(None, 0.0, "unknown")
