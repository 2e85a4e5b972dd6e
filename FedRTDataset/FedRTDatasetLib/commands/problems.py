"""How problems are told on the screen: each by its sentence, of many alike the first few."""

from collections import Counter
from collections.abc import Iterable

from ..index.dicom_index import Problem
from ..reporting import Reporter

SHOWN = 20
"""How many problems of one kind are shown."""


def tell(problems: Iterable[Problem], report: Reporter, all_in: str, always: tuple[str, ...] = ()) -> None:
    """Warn of each problem, but of one kind only the first few, save those of kinds `always`; `all_in` says where all stand."""
    told: Counter = Counter()
    for problem in problems:
        told[problem.kind] += 1
        if told[problem.kind] <= SHOWN or problem.kind in always:
            report.warning(problem.text)
    for kind, count in told.items():
        if count > SHOWN and kind not in always:
            where = "see their case.json" if kind == "note" else all_in
            report.warning(f"{count - SHOWN} more of kind {kind}: {where}.")
