"""Find and end a process with everything it started.

A parent that ends leaves its children running, so the tree is listed while it still hangs together, and the process
group tells who belonged to it afterwards. A process is known by its number and the time it started, because the system
hands numbers out again.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Process(NamedTuple):
    """One process: its number and a word for when it started."""

    pid: int
    started: str


class _Entry(NamedTuple):
    parent: int
    group: int
    started: str


def apart() -> dict[str, Any]:
    """`subprocess.Popen` options that make the child the head of its own group, out of our terminal's Ctrl-C."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def family(pid: int) -> list[Process]:
    """Every running process that `pid` or one of those started, and everyone in its group; `pid` itself included.

    On Windows only `pid`: `kill` takes its whole tree there.
    """
    table = _process_table()
    if not table:
        return [Process(pid, "")]
    found = {pid} | {other for other, entry in table.items() if entry.group == pid}
    while young := {other for other, entry in table.items() if entry.parent in found and other not in found}:
        found |= young
    return [Process(other, table[other].started) for other in found if other in table]


def ask_to_end(pid: int) -> None:
    """Ask one process to end as Ctrl-C does, so that it stops its own children and saves its state.

    Windows has no such request for a process without a console: there it is ended with its tree.
    """
    if sys.platform == "win32":
        _taskkill(pid)
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def kill(processes: list[Process]) -> None:
    """End processes at once. One that has ended, or whose number belongs to another by now, is passed over."""
    if sys.platform == "win32":
        for process in processes:
            _taskkill(process.pid)
        return
    table = _process_table() if processes else {}
    for process in processes:
        if process.pid in table and table[process.pid].started == process.started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


def _taskkill(pid: int) -> None:
    subprocess.run(["taskkill", "/PID", str(pid), "/T", "/F"], capture_output=True, check=False)


def _process_table() -> dict[int, _Entry]:
    """Every running process by its number; empty on Windows."""
    if sys.platform == "win32":
        return {}
    return _table_from_proc() if Path("/proc/self/stat").exists() else _table_from_ps()


def _table_from_proc() -> dict[int, _Entry]:
    """Linux: fields 3, 4, 5 and 22 of `/proc/<pid>/stat` (proc(5)); the name before them may hold spaces and brackets."""
    table = {}
    for number in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            state, *fields = Path("/proc", number, "stat").read_text(errors="replace").rpartition(")")[2].split()
            if state != "Z":  # a zombie has ended and only waits to be collected
                table[int(number)] = _Entry(int(fields[0]), int(fields[1]), fields[18])
    return table


def _table_from_ps() -> dict[int, _Entry]:
    """macOS and other systems without `/proc`."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid=,lstart="], capture_output=True, text=True, check=False
    )
    rows = (line.split(None, 3) for line in listing.stdout.splitlines())
    return {int(row[0]): _Entry(int(row[1]), int(row[2]), row[3]) for row in rows if len(row) == 4}
