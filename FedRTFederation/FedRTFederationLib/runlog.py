"""Logs as JSON lines: append-only files that a person, a script or the watching command reads while they grow.

A run keeps two. `events.jsonl` tells the story (`{"time", "event", ...}`: waiting, site, round, warning, finished,
failed, stopped). `rounds.jsonl` is the account by site, one line for each site and round:

    {"time", "round", "site", "fingerprint", "accepted", "reason", "cases", "steps", "metrics", "seconds",
     "bytes_sent", "bytes_received"}

`site` and `fingerprint` come from the public key that the coordinator has registered and that the site proved to hold
on that very connection, not from anything in the message. `bytes_*` are the packed weights. No line holds anything
about a patient: counts of cases and means over them only.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .folder import utc_now


def append(file: Path, **fields: Any) -> None:
    """Append one line, in one write, so that lines of several processes never mix."""
    line = json.dumps({"time": utc_now(), **fields}, ensure_ascii=False) + "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def read(file: Path) -> list[dict[str, Any]]:
    """All complete lines; an absent file has none."""
    return list(Follower(file).new())


class Follower:
    """Hands out the lines that were added since the last look."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """Lines that are complete by now and were not handed out before."""
        if not self._file.exists():
            return
        with open(self._file, "rb") as stream:
            stream.seek(self._offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield json.loads(line)
