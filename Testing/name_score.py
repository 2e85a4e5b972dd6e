"""How right a way of naming is, on a list of ROI names with the truth.

The rule: an answer is *right* if it is the true TG-263 name, or none where the truth is a planning helper or cannot be told
from the name. *Abstained*: no answer although there is one (or a helper not recognised as such). *Wrong*: another name.
A *side error* is an answer, or a suggestion below the confidence that is used, that names a side which the truth does not have
(`undecided R`: the side is told, but not which of several).
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from FedRTDatasetLib.anatomy.table import side_of
from FedRTDatasetLib.naming.proposal import CONFIDENT, propose

NO_NAME = ("helper", "undecided", "undecided L", "undecided R")


@dataclass
class Score:
    """Counts, and the names behind them."""

    right: int = 0
    abstained: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    sides: list[tuple[str, str, str]] = field(default_factory=list)
    kinds: Counter = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.right + len(self.abstained) + len(self.wrong)

    @property
    def share(self) -> float:
        return self.right / self.total


Answer = tuple[str | None, str | None, bool]
"""What is used, what is suggested (or the same), and whether the name is taken for a helper."""


def answer(roi_name: str) -> Answer:
    """FedRT's answer."""
    found = propose(roi_name)
    used = found.tg263 if found.confidence >= CONFIDENT else None
    return used, found.tg263, found.recognised and used is None


def score(names: Iterable[tuple[str, str, str]], answers: Callable[[str], Answer] = answer) -> Score:
    """Score (ROI name, truth, kind of name)."""
    result = Score()
    for roi_name, truth, kind in names:
        used, suggested, helper = answers(roi_name)
        expected = None if truth in NO_NAME else truth
        side = truth[-1] if truth in ("undecided L", "undecided R") else side_of(truth)
        if suggested and not helper and side_of(suggested) not in ("", side):
            result.sides.append((roi_name, truth, suggested))
        if used != expected and used is not None:
            result.wrong.append((roi_name, truth, used))
            result.kinds[kind, "wrong"] += 1
        elif used != expected or (truth == "helper" and not helper):
            result.abstained.append((roi_name, truth))
            result.kinds[kind, "abstained"] += 1
        else:
            result.right += 1
            result.kinds[kind, "right"] += 1
    return result
