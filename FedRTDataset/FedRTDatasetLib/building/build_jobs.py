"""Cases at the same time: as many as processors and memory allow."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

from .case_sources import CaseSource

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 4
COPIES = 12
"""How many float32 copies of an image a case takes at its worst moment, masks included."""


def sensible_jobs(sources: Iterable[CaseSource]) -> int:
    """How many cases to build at once: one a processor, at most 4, and only what fits into half of the free memory."""
    largest = max((_bytes_of(source) for source in sources), default=0)
    free = free_memory()
    fitting = int(free / 2 // (largest * COPIES)) if largest and free else 1
    return max(1, min(os.cpu_count() or 1, MOST, fitting))


def _bytes_of(source: CaseSource) -> int:
    """One image of the case as float32."""
    series = source.primary
    try:
        header = next(iter(series.headers.values()))
        return len(series.files) * int(header.Rows) * int(header.Columns) * 4
    except (StopIteration, AttributeError, TypeError, ValueError):
        return len(series.files) * 512 * 512 * 4


def free_memory() -> int:
    """Bytes that can be taken without swapping; 0 where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 0


def in_turn(work: Callable[[Item], Result], items: list[Item], jobs: int) -> Iterator[tuple[Item, Result]]:
    """`work` of every item, as they finish. An exception ends it; what had begun is waited for."""
    if jobs <= 1:
        for item in items:
            yield item, work(item)
        return
    waiting = list(reversed(items))
    with ThreadPoolExecutor(jobs) as pool:
        running: dict = {}
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    item = waiting.pop()
                    running[pool.submit(work, item)] = item
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield running.pop(future), future.result()
        finally:
            pool.shutdown(cancel_futures=True)
