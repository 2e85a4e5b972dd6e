"""A FedRT command in a child process: the same command a person would type, followed through its JSON lines.

The Slicer modules start all long work this way and call `poll` from a timer, so the application never waits. The child
writes to files, not to pipes: reading them never blocks on any system, a reader that pauses never blocks the child, and
the output is still there when whoever started the job is gone.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from . import process_tree
from .errors import FedRTError

GRACE_SECONDS = 20.0
"""How long a cancelled job may take to save its state before it is killed."""


class Job:
    """One running command. Not thread-safe: start it and poll it from one thread."""

    def __init__(self, module: str, arguments: Sequence[str | Path], folder: Path | str | None = None) -> None:
        """Start `python -m MODULE ARGUMENTS… --progress json`.

        Args:
            module: package with a `__main__`, for example `FedRTDatasetLib`.
            arguments: the command as typed after `fedrt`.
            folder: where its output goes (default: a new private temporary folder, removed by `close`).
        """
        self._temporary = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="fedrt-job-") if folder is None else folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.command = command_line(module, arguments)
        self.exit_code: int | None = None
        self.cancelled = False
        self._kill_at: float | None = None
        self._family: list[process_tree.Process] = []
        self._failure = ""
        with open(self._output_path, "wb") as output, open(self._error_path, "wb") as error:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=error, cwd=self.folder,
                env=child_environment(), **process_tree.apart(),
            )  # fmt: skip
        self._output: BinaryIO = open(self._output_path, "rb")  # noqa: SIM115 - read little by little until close()

    @property
    def running(self) -> bool:
        """Whether the command had not ended at the last `poll`."""
        return self.exit_code is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> list[dict[str, Any]]:
        """The events since the last call: `{"event": …}` objects; a line that is none comes as `{"event": "output"}`."""
        if self.running:
            self._watch()
        events = [_parse(line) for line in self._new_lines()]
        for event in events:
            if event["event"] == "failed":
                self._failure = str(event.get("text", ""))
        return events

    def wait(self, timeout: float) -> list[dict[str, Any]]:
        """Poll until the command has ended or `timeout` seconds are over; all events of that time."""
        end = time.monotonic() + timeout
        events = self.poll()
        while self.running and time.monotonic() < end:
            time.sleep(0.02)
            events += self.poll()
        return events

    def cancel(self) -> None:
        """Ask the command to end; `poll` kills what is left of it and its children after `GRACE_SECONDS`."""
        if self.running and not self.cancelled:
            self.cancelled = True
            self._family = process_tree.family(self.pid)
            self._kill_at = time.monotonic() + GRACE_SECONDS
            process_tree.ask_to_end(self.pid)

    def kill(self) -> None:
        """End the command and everything it started, now."""
        self.cancelled = True
        self._kill_at = time.monotonic()
        while self.running:
            self._watch()
            time.sleep(0.01)

    def close(self) -> None:
        """Kill the command if it still runs, and remove its temporary folder."""
        if self.running:
            self.kill()
        self._output.close()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def failure(self) -> str:
        """Why the command failed, in one sentence; empty if it runs or ended well."""
        if self.running or self.exit_code == 0:
            return ""
        if self.cancelled:
            return "cancelled"
        if self._failure:
            return self._failure
        if self.exit_code < 0:
            return f"the process was killed (signal {-self.exit_code}); perhaps the memory ran out"
        return f"the process ended unexpectedly (exit code {self.exit_code})"

    def last_lines(self, count: int = 12) -> list[str]:
        """The end of what the command wrote on its standard error."""
        with open(self._error_path, "rb") as file:
            file.seek(max(0, os.path.getsize(self._error_path) - 16384))
            return file.read().decode("utf-8", errors="replace").splitlines()[-count:]

    @property
    def _output_path(self) -> Path:
        return self.folder / "output.jsonl"

    @property
    def _error_path(self) -> Path:
        return self.folder / "error.txt"

    def _watch(self) -> None:
        """See whether the command has ended; end what must not outlive it."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._family += process_tree.family(self.pid)
            process_tree.kill(self._family)
        self.exit_code = self._process.poll()
        if self.exit_code:  # cancelled or failed: whoever it left behind works for nobody
            process_tree.kill(self._family + process_tree.family(self.pid))

    def _new_lines(self) -> list[bytes]:
        """Complete lines that were not read yet; once the command has ended, the rest as well."""
        start = self._output.tell()
        text = self._output.read()
        if self.running:
            text = text[: text.rfind(b"\n") + 1]
            self._output.seek(start + len(text))
        return [line for line in text.splitlines() if line.strip()]


def command_line(module: str, arguments: Sequence[str | Path]) -> list[str]:
    """The full command line of a job."""
    return [python_executable(), "-m", module, *(str(argument) for argument in arguments), "--progress", "json"]


def python_executable() -> str:
    """The Python to run jobs with: `PythonSlicer` inside 3D Slicer (it is on the application's PATH), else our own.

    Raises:
        FedRTError: we run inside an application whose Python cannot be found; starting it would open a second window.
    """
    found = (shutil.which("PythonSlicer") if "slicer" in sys.modules else None) or sys.executable
    if not found or not Path(found).stem.lower().startswith("python"):
        raise FedRTError("PythonSlicer was not found; start 3D Slicer by its own launcher.")
    return found


def child_environment() -> dict[str, str]:
    """Our environment, with all our packages importable in the child and UTF-8 on every system.

    Inside Slicer the module folders are on `sys.path` of the application alone, so they are handed on.
    """
    packages = {str(Path(spec.origin).parent.parent) for spec in [find_spec(__package__)] if spec and spec.origin}
    folders = [folder for folder in sys.path if folder and any(Path(folder).glob("FedRT*Lib/__init__.py"))]
    inherited = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join(dict.fromkeys([*folders, *packages, *filter(None, inherited.split(os.pathsep))]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"}


def _parse(line: bytes) -> dict[str, Any]:
    text = line.decode("utf-8", errors="replace")
    try:
        event = json.loads(text)
    except ValueError:
        event = None
    return event if isinstance(event, dict) and "event" in event else {"event": "output", "text": text}
