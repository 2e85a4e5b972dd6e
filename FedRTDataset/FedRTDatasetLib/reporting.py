"""How long work tells what it is doing: one JSON object a line for programs, a progress bar for people, or nothing.

Every command prints the same events, so that the Slicer modules, a shell script and a person at a terminal see the same
run. Events hold no patient identity.
"""

import json
import sys
import time
from typing import Any, TextIO


class Reporter:
    """Receives what a piece of work tells. This base class is silent; the subclasses print."""

    def progress(self, stage: str, done: int, of: int) -> None:
        """`done` of `of` steps of `stage` are finished (0 announces the stage)."""
        self.event("progress", stage=stage, done=done, of=of)

    def info(self, text: str) -> None:
        """Something worth reading."""
        self.event("info", text=text)

    def warning(self, text: str) -> None:
        """Something was skipped or is doubtful; the work goes on."""
        self.event("warning", text=text)

    def event(self, name: str, **fields: Any) -> None:
        """Any other machine-readable event; `fields` must be JSON values."""

    def close(self) -> None:
        """The work has ended."""


class JsonReporter(Reporter):
    """One JSON object a line on a stream, flushed at once."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def event(self, name: str, **fields: Any) -> None:
        print(json.dumps({"event": name, **fields}, ensure_ascii=False), file=self._stream, flush=True)


class BarReporter(Reporter):
    """A progress bar a stage on a terminal, plain lines where the stream is no terminal. Writes to stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=self._console, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._bars.start()
        self._tasks: dict[str, Any] = {}
        self._last_line: dict[str, float] = {}

    def progress(self, stage: str, done: int, of: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=of)
        self._bars.update(self._tasks[stage], completed=done, total=of)
        if not self._console.is_terminal:
            self._plain_line(stage, done, of)

    def _plain_line(self, stage: str, done: int, of: int) -> None:
        """Without a terminal: the start, the end and a line every ten seconds, so that a log stays readable."""
        now = time.monotonic()
        if done in (0, of) or now - self._last_line.get(stage, now) > 10:
            self._console.print(f"{stage}: {done}/{of}", markup=False)
            self._last_line[stage] = now

    def info(self, text: str) -> None:
        self._console.print(printable(text), markup=False, soft_wrap=True)

    def warning(self, text: str) -> None:
        self._console.print(f"warning: {printable(text)}", markup=False, soft_wrap=True, style="yellow")

    def close(self) -> None:
        self._bars.stop()


class QuietReporter(Reporter):
    """No progress, but what was skipped or is doubtful, a line each on stderr."""

    def warning(self, text: str) -> None:
        print(f"warning: {printable(text)}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """`text` for a terminal, on one line: names from files may hold line breaks and control sequences, shown as `?`."""
    return "".join(c if c.isprintable() else "?" for c in text)


def reporter_for(kind: str) -> Reporter:
    """The reporter that `--progress json|bar|none` asks for."""
    return {"json": JsonReporter, "bar": BarReporter, "none": QuietReporter}[kind]()
