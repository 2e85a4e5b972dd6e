"""The same function over many things, in order, in this process or in several."""

import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

_FEW = 64
"""Below this many things starting processes takes longer than the work."""
_CHUNK = 32


class Workers:
    """Processes that start when there is enough to do and end with the `with` block. shared: sent once to each."""

    def __init__(self, jobs: int, *shared: object) -> None:
        self._jobs, self._shared = jobs, shared
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind, *_) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def each(self, function: Callable, things: Iterable, *more: object) -> Iterator:
        """`function(thing, *more, *shared)` for each thing, results in the order of the things.

        What the function raises is raised here.
        """
        things = list(things)
        if self._jobs <= 1 or len(things) < _FEW:
            yield from (function(thing, *more, *self._shared) for thing in things)
            return
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._jobs, spawn, initializer=_remember, initargs=(self._shared,))
        size = max(1, min(_CHUNK, len(things) // (4 * self._jobs)))
        for part in [self._pool.submit(_several, function, part, more) for part in _parts(things, size)]:
            yield from part.result()


_shared_here: list[tuple] = [()]


def _remember(shared: tuple) -> None:
    _shared_here[0] = shared


def _several(function: Callable, things: list, more: tuple) -> list:
    return [function(thing, *more, *_shared_here[0]) for thing in things]


def _parts(things: list, size: int) -> Iterator[list]:
    rest = iter(things)
    while part := list(itertools.islice(rest, size)):
        yield part
