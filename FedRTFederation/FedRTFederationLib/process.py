"""Child processes of the coordinator and of a site: started with our own Python, never left behind.

A child prints JSON lines on its standard output for the parent; what Flower and Python print goes to a log file. A
child watches its standard input: when the parent is gone, for whatever reason, it reads end-of-file and ends itself.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from FedRTDatasetLib.job import child_environment, python_executable


class Child:
    """A worker module of this package running as a process."""

    def __init__(self, module: str, argument: dict[str, Any], log: Path) -> None:
        """Start `python -m FedRTFederationLib.<module>`; `argument` reaches it as one JSON line on standard input.

        Secrets go that way because a command line or an environment can be read by others on the machine.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as log_file:
            self._process = subprocess.Popen(
                [python_executable(), "-m", f"{__package__}.{module}"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log_file,
                env=child_environment(),
            )  # fmt: skip
        self._process.stdin.write(json.dumps(argument).encode() + b"\n")
        self._process.stdin.flush()
        self._messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                self._messages.put(json.loads(line))

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def message(self, timeout: float | None = None) -> dict[str, Any] | None:
        """The next message of the child, or None if there is none within `timeout` seconds (None: do not wait)."""
        with contextlib.suppress(queue.Empty):
            return self._messages.get(timeout=timeout) if timeout else self._messages.get_nowait()
        return None

    def stop(self, patience: float = 5.0) -> None:
        """End the child: ask, and after `patience` seconds insist."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        for end in (None, self._process.terminate, self._process.kill):
            if end is not None:
                end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
                return


def child_argument() -> tuple[dict[str, Any], Callable[..., None]]:
    """In the child: its argument and the function that sends the parent a message (`send(event=..., ...)`).

    Afterwards `print` and Flower's logs go to the log file, and the process interrupts itself when the parent is gone.
    """
    argument = json.loads(sys.stdin.buffer.readline())
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()

    def send(**message: Any) -> None:
        with lock, contextlib.suppress(OSError):
            print(json.dumps(message), file=stream, flush=True)

    threading.Thread(target=_end_with_parent, daemon=True).start()
    return argument, send


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(4)
    os._exit(1)
