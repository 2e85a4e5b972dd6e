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


class SiteTask(Protocol):
    """A task at one site, bound to that site's dataset. Lives as long as the run, across rounds."""

    def labelled_cases(self) -> CaseCounts:
        """What this site can contribute."""

    def train(self, weights: Weights, round_number: int, steps: int, report: "OnStep") -> tuple[Weights, Metrics]:
        """Start from the global `weights`, train `steps` steps, return the new weights and what may be told."""


class CoordinatorTask(Protocol):
    """A task at the coordinator."""

    def requirements(self) -> dict[str, Any]:
        """What sites need to know and to match, as JSON values; handed to the site's side."""

    def initial_weights(self) -> Weights:
        """The model before the first round."""

    def output_rows(self) -> dict[str, tuple[str, ...]]:
        """Tensors whose first axis stands for structures, with the structure of each index."""

    def save(self, folder: Path, weights: Weights, summary: dict[str, Any]) -> None:
        """Write the final model to `folder`; `summary` holds counts and round figures for its lineage."""


OnStep = Callable[[int, int], None]
"""Called with (steps done, steps of this round); may raise to stop the training."""

OpenSite = Callable[[dict[str, Any], Path | None, Path], SiteTask]
"""(requirements, dataset folder, folder for checkpoints) -> task; raises FedRTError where the site does not match."""

OpenCoordinator = Callable[[dict[str, Any], Path], CoordinatorTask]
"""(run settings, federation folder) -> task."""


def open_site_task(name: str, requirements: dict[str, Any], dataset: Path | None, work: Path) -> SiteTask:
    """The site's side of the task `name`. Raises FedRTError for an unknown name or a site that does not match."""
    return _room(name).open_site(requirements, dataset, work)


def open_coordinator_task(name: str, settings: dict[str, Any], folder: Path) -> CoordinatorTask:
    """The coordinator's side of the task `name`. Raises FedRTError for an unknown name or unusable settings."""
    return _room(name).open_coordinator(settings, folder)


TASKS = ("contouring", "connection-check")


def _room(name: str):
    if name == "contouring":
        from . import contouring

        return contouring
    if name == "connection-check":
        from . import connection_check

        return connection_check
    raise FedRTError(f"Task {name!r} is unknown here; this version of FedRT knows {', '.join(TASKS)}.")
