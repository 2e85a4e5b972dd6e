"""The same function over many things, in order, in this process or in several."""

import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

_FEW = 64
"""Below this many things starting processes takes longer than the work."""


def each(function: Callable, things: Iterable, jobs: int = 1, *, spread: bool = False) -> Iterator:
    """`function(thing)` for each thing, results in the order of the things; with `spread`, `function(*thing)`.

    What the function raises is raised here; interrupting ends the processes.
    """
    things = list(things)
    call = _Spread(function) if spread else function
    if jobs <= 1 or len(things) < _FEW:
        yield from map(call, things)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            size = max(1, min(32, len(things) // (4 * jobs)))
            waiting = [pool.submit(_several, call, part) for part in _parts(things, size)]
            for part in waiting:
                yield from part.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Spread:
    def __init__(self, function: Callable) -> None:
        self.function = function

    def __call__(self, thing):
        return self.function(*thing)


def _several(function: Callable, things: list) -> list:
    return [function(thing) for thing in things]


def _parts(things: list, size: int) -> Iterator[list]:
    rest = iter(things)
    while part := list(itertools.islice(rest, size)):
        yield part
