"""What a build leaves out or doubts: in full for the person at the screen, as kinds and numbers for the dataset."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..index.dicom_index import Problem
from ..notes import SkippedItem, Value, sentence
from ..privacy import without_identity
from ..pseudonym import SiteKey
from ..spreadsheet import write_private_table

PSEUDONYM = re.compile(r"\b(P[0-9a-f]{10}(?:-[0-9a-f]{6})?)\b")


@dataclass
class SkippedList:
    """Collects what is skipped. `identities`: Patient IDs and names that no text may show."""

    key: SiteKey
    identities: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    """For the screen: one sentence each, which may name files."""
    _rows: list[tuple[str, str, str, dict[str, Value], str]] = field(default_factory=list)

    def add(
        self,
        kind: str,
        text: str = "",
        *,
        case: str = "",
        path: Path | str | None = None,
        shown: bool = True,
        **values: Value,
    ) -> None:
        """`text`: the sentence for the screen; without one that of `kind`. `path`: the file concerned. `shown`: on screen."""
        text = self._without_identity(text or sentence(kind, values))
        if shown:
            self.problems.append(Problem(kind, text))
        self._rows.append((kind, str(path or ""), case, values, text))

    def note(self, text: str) -> None:
        """What is to know of a case that was built; for the screen only, its `case.json` holds it without names."""
        self.problems.append(Problem("note", self._without_identity(text)))

    def _without_identity(self, text: str) -> str:
        """Cases stay whole: digits of a Patient ID are now and then among those of a pseudonym."""
        parts = PSEUDONYM.split(text)
        return "".join(
            part
            if PSEUDONYM.fullmatch(part) and part not in self.identities
            else without_identity(part, *self.identities)
            for part in parts
        )

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """What the index found."""
        for problem in problems:
            self.problems.append(problem)
            path = str(getattr(problem, "path", None) or "")
            self._rows.append((problem.kind, path, "", {}, problem.text))

    def counts(self) -> dict[str, int]:
        """How many items of each kind."""
        return dict(Counter(row[0] for row in self._rows))

    def items(self) -> list[SkippedItem]:
        """For the dataset: no file names, no sentences."""
        return [
            SkippedItem(number=number, kind=kind, source=self._source(path, text), case=case, values=values)
            for number, (kind, path, case, values, text) in enumerate(self._rows, 1)
        ]

    def save_table(self, path: Path) -> None:
        """Write what each numbered item is as CSV, for the people of this site only; nothing where nothing was skipped."""
        if not self._rows:
            path.unlink(missing_ok=True)
            return
        rows = ((number, kind, case, file, text) for number, (kind, file, case, _, text) in enumerate(self._rows, 1))
        write_private_table(path, ("number", "kind", "case", "file", "text"), rows)

    def _source(self, path: str, text: str) -> str:
        return self.key.digest(path or text, "skipped")[:12]
