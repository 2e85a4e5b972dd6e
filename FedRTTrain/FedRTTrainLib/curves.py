"""The training curves: one row of `curves.csv` for each validation, and every event as a line of `events.jsonl`."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from FedRTDatasetLib.atomic import write_text

from .metrics import SplitScores
from .training import StepSummary

CURVES_FILE, EVENTS_FILE = "curves.csv", "events.jsonl"


class Curves:
    """The curves of one training in its work folder.

    Columns: step, seconds (of training so far), learning_rate, train_patch_loss (mean over the steps since the row
    before), and for `train` (a few fixed cases) and `validation`: <split>_loss, <split>_dice, <split>_hd95_mm and the
    last two for each structure as <split>_dice:<name>. An empty field: nothing to measure.
    """

    def __init__(self, folder: Path, names: tuple[str, ...], step: int) -> None:
        """Take up the curves in `folder` at `step`: later rows, of steps that will be repeated, are dropped."""
        self._path = folder / CURVES_FILE
        self._events = folder / EVENTS_FILE
        self._columns = _columns(names)
        self.rows: list[dict[str, Any]] = [row for row in _read(self._path) if int(row["step"]) <= step]
        folder.mkdir(parents=True, exist_ok=True)
        self.event("started" if step == 0 else "resumed", step=step)

    @property
    def seconds(self) -> float:
        """Seconds of training in the rows so far."""
        return float(self.rows[-1]["seconds"]) if self.rows else 0.0

    def add(
        self, step: int, summary: StepSummary, scores: dict[str, tuple[SplitScores, float | None]]
    ) -> dict[str, Any]:
        """Append the row of a validation at `step`; returns it. `scores` holds scores and loss by split."""
        row: dict[str, Any] = {
            "step": step,
            "seconds": round(self.seconds + summary.seconds, 3),
            "learning_rate": summary.learning_rate,
            "train_patch_loss": summary.loss,
        }
        for split, (split_scores, loss) in scores.items():
            row |= {f"{split}_loss": loss, f"{split}_dice": split_scores.dice, f"{split}_hd95_mm": split_scores.hd95_mm}
            for name, structure in split_scores.structures.items():
                row |= {f"{split}_dice:{name}": structure.dice, f"{split}_hd95_mm:{name}": structure.hd95_mm}
        self.rows.append(row)
        self._write()
        self.event("validation", **row)
        return row

    def event(self, name: str, **fields: Any) -> None:
        """Append an event to `events.jsonl`."""
        with open(self._events, "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": name, **fields}) + "\n")

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _shown(value) for key, value in row.items()} for row in self.rows)
        write_text(self._path, text.getvalue())


def _columns(names: tuple[str, ...]) -> list[str]:
    columns = ["step", "seconds", "learning_rate", "train_patch_loss"]
    for split in ("train", "validation"):
        columns += [f"{split}_loss", f"{split}_dice", f"{split}_hd95_mm"]
        columns += [f"{split}_{measure}:{name}" for measure in ("dice", "hd95_mm") for name in names]
    return columns


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _shown(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
