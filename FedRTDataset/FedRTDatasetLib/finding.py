"""What a check found out about a case or a dataset."""

from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know.

    kind: a short fixed word for counting and filtering (`side`, `volume`, `gap`, `duplicate`, ...). text: one sentence that
    says what is wrong and what to do; it names structures by their TG-263 name and never a patient. structure: the TG-263
    name, empty where it concerns the whole case. severity: `error` where the data must not be used as they are, `warning`
    where a person should look, `note` for the record.
    """

    kind: str
    text: str
    structure: str = ""
    severity: Severity = "warning"

    def as_dict(self) -> dict[str, str]:
        """The fields by name, for JSON."""
        return asdict(self)
