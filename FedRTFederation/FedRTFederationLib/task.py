"""What a federation can do: tasks, each with a side at the coordinator and a side at the sites.

A task is chosen by name from the list below; nothing outside it can be asked for over the network. The coordinator's
side knows the initial weights, what it requires of sites, and how to save the result. The site's side sees the
hospital's dataset.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from FedRTDatasetLib.errors import FedRTError

from .folder import FederationFolder, RunSettings
from .packing import Weights

Metrics = dict[str, float]
"""Numbers about a round that may leave a site: losses and mean scores, never anything about one patient."""


@dataclass(frozen=True)
class CaseCounts:
    """How many training cases a site has labels for."""

    total: int
    """Cases labelled for at least one structure of the federation."""
    by_structure: dict[str, int] = field(default_factory=dict)
    """Cases labelled for each structure (TG-263 name)."""


@dataclass(frozen=True)
class Offer:
    """A site's answer to the invitation."""

    cases: CaseCounts
    properties: dict[str, Any] = field(default_factory=dict)
    """What the task's coordinator side compares between sites, as JSON values; nothing about a patient."""


@dataclass(frozen=True)
class SiteOptions:
    """What a site's own people decide."""

    dataset: Path | None
    """The site's dataset."""
    cache: Path
    """Where derived files may be kept between runs."""
    threads: int = 0
    """Processor threads; 0 leaves it to the federation's settings."""


class SiteTask(Protocol):
    """A task at one site, bound to that site's dataset. Lives as long as the run, across rounds."""

    def labelled_cases(self) -> CaseCounts:
        """What this site can contribute."""

    def properties(self) -> dict[str, Any]:
        """See `Offer.properties`."""

    def train(self, weights: Weights, round_number: int, steps: int, report: "OnStep") -> tuple[Weights, Metrics]:
        """Start from the global `weights`, train `steps` steps, return the new weights and what may be told."""


class CoordinatorTask(Protocol):
    """A task at the coordinator: `invitation`, then `settle` once with the answers, then the rest."""

    def invitation(self) -> dict[str, Any]:
        """What sites need to know to say what they have, as JSON values; handed to the site's side."""

    def settle(self, offers: dict[str, Offer]) -> dict[str, str]:
        """Decide what depends on the sites; returns those that do not match with the reason."""

    def requirements(self) -> dict[str, Any]:
        """What sites need to know to train, as JSON values; handed to the site's side."""

    def initial_weights(self) -> Weights:
        """The model before the first round."""

    def output_rows(self) -> dict[str, tuple[str, ...]]:
        """Tensors whose first axis stands for structures, with the structure of each index."""

    def save(self, folder: Path, weights: Weights, summary: dict[str, Any]) -> None:
        """Write the final model to `folder`; `summary` holds counts and round figures for its lineage."""


OnStep = Callable[[int, int], None]
"""Called with (steps done, steps of this round); may raise to stop the training."""


def open_site_task(name: str, requirements: dict[str, Any], options: SiteOptions, work: Path) -> SiteTask:
    """The site's side of the task `name`; `work` is the folder for this run's checkpoints.

    Raises FedRTError for an unknown name or a site that does not match.
    """
    return _room(name).open_site(requirements, options, work)


def open_coordinator_task(folder: FederationFolder, run: RunSettings) -> CoordinatorTask:
    """The coordinator's side of the task of `run`. Raises FedRTError for an unknown name or unusable settings."""
    return _room(run.task).open_coordinator(folder, run)


TASKS = ("contouring", "connection-check")


def _room(name: str):
    if name == "contouring":
        from . import contouring

        return contouring
    if name == "connection-check":
        from . import connection_check

        return connection_check
    raise FedRTError(f"Task {name!r} is unknown here; this version of FedRT knows {', '.join(TASKS)}.")
