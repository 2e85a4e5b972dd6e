"""Headers of many files, read by several processes; by this one alone where there are few or none can be started."""

import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

from ..errors import FedRTError
from ..job import child_environment, python_executable
from .record import Record, read_record

BATCH = 200
FEW = 400
"""Below this many files, starting processes takes longer than reading."""


def read_records(paths: Iterable[str], count: int, processes: int | None = None) -> Iterator[list[tuple[str, Record]]]:
    """(path, record) of every path, in batches and in any order; `count` is how many there are.

    Takes `paths` as it goes, and holds a few batches at a time however many there are.
    """
    batches = _batches(paths)
    workers = _start(min(processes or available_processors(), count // FEW + (count > FEW)))
    if len(workers) < 2:
        _stop(workers)
        for batch in batches:
            yield _read_here(batch)
        return
    yield from _read_there(batches, workers)


def available_processors() -> int:
    """How many processes are worth starting: the processors we may use, at most eight (the disk is the limit then)."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # Windows, macOS
        usable = os.cpu_count() or 1
    return min(8, usable)


def _batches(paths: Iterable[str]) -> Iterator[list[str]]:
    paths = iter(paths)
    while batch := list(islice(paths, BATCH)):
        yield batch


def _read_here(batch: list[str]) -> list[tuple[str, Record]]:
    return [(path, read_record(path)) for path in batch]


def _start(wanted: int) -> list[subprocess.Popen]:
    if wanted < 2:
        return []
    workers = []
    try:
        for _ in range(wanted):
            workers.append(
                subprocess.Popen(
                    [python_executable(), "-m", "FedRTDatasetLib.index.worker"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=child_environment(),
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                )
            )  # fmt: skip
    except (OSError, FedRTError):
        pass  # as many as could be started
    return workers


def _read_there(batches: Iterator[list[str]], workers: list[subprocess.Popen]) -> Iterator[list[tuple[str, Record]]]:
    """One thread feeds each process. What a process that ended did not answer is read here."""
    todo: queue.Queue = queue.Queue(2 * len(workers))
    answers: queue.Queue = queue.Queue()
    threads = [threading.Thread(target=_feed, args=(one, todo, answers), daemon=True) for one in workers]
    for thread in threads:
        thread.start()
    waiting = 0
    try:
        for batch in batches:
            todo.put(batch)
            waiting += 1
            while waiting >= 2 * len(workers) or (waiting and not answers.empty()):
                yield _answered(*answers.get())
                waiting -= 1
        for _ in range(waiting):
            yield _answered(*answers.get())
    finally:
        _stop(workers)
        with suppress(queue.Empty):  # left off early: the threads end as well
            while True:
                todo.get_nowait()
        for _ in threads:
            todo.put(None)


def _feed(worker: subprocess.Popen, todo: queue.Queue, answers: queue.Queue) -> None:
    alive = True
    while (batch := todo.get()) is not None:
        records = None
        if alive:
            try:
                worker.stdin.write(json.dumps(batch).encode() + b"\n")
                worker.stdin.flush()
                records = json.loads(worker.stdout.readline())
            except (OSError, ValueError):
                alive = False
        answers.put((batch, records))


def _answered(batch: list[str], records: list[Record] | None) -> list[tuple[str, Record]]:
    if records is None or len(records) != len(batch):
        return _read_here(batch)
    return list(zip(batch, records, strict=True))


def _stop(workers: list[subprocess.Popen]) -> None:
    for worker in workers:
        worker.kill()  # it only reads
        worker.wait()
        worker.stdin.close()
        worker.stdout.close()
