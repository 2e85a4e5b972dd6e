"""The search of all copies of a run: what to look for, from everything that was removed, and where it was found."""

from collections.abc import Iterator
from pathlib import Path

from ..pseudonym import SiteKey
from . import dates, folders
from .removed import (
    IDENTITY,
    NAME,
    TEXT,
    Removed,
    anywhere,
    date_spellings,
    in_texts,
    shifted_dates,
)
from .search import Patterns, patterns_of, spellings
from .settings import Settings
from .verify import (
    Searched,
    Words,
    search_file,
    search_text,
)
from .workers import Workers


class Search:
    """Patterns for everything that was removed from any object, and for each patient what only counts in their own."""

    def __init__(self, removed: dict[str, Removed], key: SiteKey, settings: Settings) -> None:
        self._patterns = _patterns(removed, settings)
        self._own = {patient: _words(patient, one, key, settings) for patient, one in removed.items()}
        self.values = len(self._patterns) + sum(len(words.dates) + len(words.words) for words in self._own.values())

    def each(self, out: Path, copies: list[tuple[str, str]], jobs: int) -> Iterator[Searched]:
        """Search copies, given as (name below OUT, patient or "" where it is an earlier run's), in their order."""
        with Workers(jobs, self._patterns, self._own) as workers:
            results = workers.each(search_copy, [(place_of(out, name), patient) for name, patient in copies])
            for (name, _), result in zip(copies, results, strict=True):
                result.findings += search_text(name, self._patterns)
                yield result


def search_copy(task: tuple[Path, str], patterns: Patterns, own: dict[str, Words]) -> Searched:
    """Search one copy; `task` is its path and its patient."""
    return search_file(task[0], patterns, own.get(task[1], Words()))


def place_of(out: Path, name: str) -> Path:
    """Where a copy lies: waiting for the search, else in the output folder."""
    waiting = folders.unverified(out) / name
    return waiting if waiting.is_file() else out / name


def _patterns(removed: dict[str, Removed], settings: Settings) -> Patterns:
    texts: dict[str, tuple[str, str]] = {}
    raw: dict[bytes, tuple[str, str]] = {}
    kept = {word for text in settings.harmless_words for word in (text, *text.split())}
    kept = kept.union(*(one.kept_words() for one in removed.values()))
    for one in removed.values():
        texts |= {text: meaning for text, meaning in anywhere(one).items() if text not in texts and text not in kept}
        raw |= {value: (TEXT, where) for value, where in one.raw.items() if len(value) >= 6}
    return patterns_of(texts, raw.items())


def _words(patient: str, removed: Removed, key: SiteKey, settings: Settings) -> Words:
    written = date_spellings(removed).items()
    patterns = Patterns({spelling: (text, meaning) for text, meaning in written for spelling in spellings(text)})
    days = {"modified": dates.shift_days(patient, key), "full": 0}.get(settings.dates)
    made = frozenset() if days is None else shifted_dates(removed, days)  # reckoned anew, not what the copies hold
    own = frozenset(text for text, (kind, _) in anywhere(removed).items() if kind in (NAME, IDENTITY))
    return Words(patterns, in_texts(removed), made, own, key.pseudonym(patient))
