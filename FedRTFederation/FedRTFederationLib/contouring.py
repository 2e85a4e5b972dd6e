"""The task `contouring`: train one segmentation network over the hospitals' datasets, with the training room's loop.

At the coordinator: the training settings given to `fedrt federation init`, the initial weights from their seed, and the
final model folder. At a site: `new_state` on the site's dataset, then for every round set_weights, `train_steps`,
get_weights; AdamW's moments stay at the site, and a checkpoint after each round lets a restarted site go on.

Structures are those given to `init`, else all that the sites have training cases for. All datasets of a run must have
been processed alike (spacing, intensities): as given to `init`, else as at most sites (then most cases); sites that
differ are told what differs and left out.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.preprocess import Processing
from FedRTDatasetLib.naming.structures import Structure, structure
from FedRTDatasetLib.storage.dataset import Dataset
from FedRTTrainLib.settings import TrainSettings, parse, parse_settings

from .folder import FederationFolder, RunSettings
from .packing import Weights
from .task import CaseCounts, Metrics, Offer, OnStep, SiteOptions

SETTINGS_SOURCE = "the federation's training settings"


def open_coordinator(folder: FederationFolder, run: RunSettings) -> "_Coordinator":
    """The coordinator's side, with the settings of the federation in `folder`."""
    return _Coordinator(folder, run)


def open_site(requirements: dict[str, Any], options: SiteOptions, work: Path) -> "_Site":
    """The site's side. Raises FedRTError if the dataset cannot be used or does not match."""
    return _Site(requirements, options, work)


class _Coordinator:
    def __init__(self, folder: FederationFolder, run: RunSettings) -> None:
        values = folder.settings.training or {}
        steps = run.rounds * run.steps  # the learning rate's cycle spans the whole run
        self._settings = parse_settings({**values, "steps": steps}, SETTINGS_SOURCE)
        self._names = folder.settings.structures
        given = folder.settings.processing
        self._processing = None if given is None else parse(Processing, given, "the federation's processing")
        self._offers: dict[str, Offer] = {}

    def invitation(self) -> dict[str, Any]:
        return self.requirements()

    def settle(self, offers: dict[str, Offer]) -> dict[str, str]:
        processing = {site: parse(Processing, offer.properties, f"site {site}") for site, offer in offers.items()}
        if self._processing is None:
            self._processing = _most_common(processing, offers)
        refused = {
            site: f"its dataset was processed differently: {_difference(own, self._processing)}"
            for site, own in processing.items()
            if own != self._processing
        }
        self._offers = {site: offer for site, offer in offers.items() if site not in refused}
        if not self._names:
            had = {name for offer in self._offers.values() for name, n in offer.cases.by_structure.items() if n}
            self._names = tuple(sorted(had))
        return refused

    def requirements(self) -> dict[str, Any]:
        return {
            "settings": self._settings.model_dump(mode="json"),
            "structures": list(self._names),
            "processing": None if self._processing is None else self._processing.model_dump(mode="json"),
        }

    def initial_weights(self) -> Weights:
        import torch
        from FedRTTrainLib.network import build_network

        with torch.random.fork_rng():
            torch.manual_seed(self._settings.seed)
            network = build_network(self._settings.network, len(self._names))
        return {name: tensor.detach().numpy().copy() for name, tensor in network.state_dict().items()}

    def output_rows(self) -> dict[str, tuple[str, ...]]:
        from FedRTTrainLib.network import build_network, head_rows

        axes = head_rows(build_network(self._settings.network, len(self._names)))
        if any(axis != 0 for axis in axes.values()):
            raise ValueError("rows along another axis than the first are not supported")
        return dict.fromkeys(axes, self._names)

    def save(self, folder: Path, weights: Weights, summary: dict[str, Any]) -> None:
        import torch
        from FedRTTrainLib.model import Lineage, ModelCard, TrainingSummary, save_model, software_versions

        cases = [offer.cases for offer in self._offers.values()]
        card = ModelCard(
            network=self._settings.network,
            structures=tuple(structure(name) for name in self._names),
            processing=self._processing,
            patch_size=self._settings.patch_size,
            training=TrainingSummary(
                steps=summary["rounds"] * summary["steps"],
                sites=len(cases),
                cases=sum(c.total for c in cases),
                labelled_cases={name: sum(c.by_structure.get(name, 0) for c in cases) for name in self._names},
                seconds=summary["seconds"],
            ),
            lineage=Lineage(round=summary["rounds"], software=software_versions()),
        )
        save_model(folder, {name: torch.from_numpy(array) for name, array in weights.items()}, card)


class _Site:
    """Opening is quick (no torch), so that an invitation is answered at once; the network is built in the first round."""

    def __init__(self, requirements: dict[str, Any], options: SiteOptions, work: Path) -> None:
        if options.dataset is None:
            raise FedRTError("no dataset was given; start the site again with --dataset")
        self._settings: TrainSettings = parse_settings(requirements.get("settings"), SETTINGS_SOURCE)
        self._dataset = Dataset.open(options.dataset)
        self._names = tuple(parse(list[str], requirements.get("structures"), "the federation's structures"))
        self._options = options
        self._work = work
        self._state = None
        wanted = requirements.get("processing")
        if wanted is not None:
            wanted = parse(Processing, wanted, "the federation's processing")
            if difference := _difference(self._dataset.processing, wanted):
                raise FedRTError(f"its dataset was processed differently: {difference}")

    def labelled_cases(self) -> CaseCounts:
        counts = self._dataset.labelled_cases("train")
        names = set(self._names or counts)
        total = sum(bool(names & set(case.labelled)) for case in self._dataset.split("train"))
        return CaseCounts(total, {name: count for name, count in counts.items() if name in names and count})

    def properties(self) -> dict[str, Any]:
        return self._dataset.processing.model_dump(mode="json")

    def train(self, weights: Weights, round_number: int, steps: int, report: OnStep) -> tuple[Weights, Metrics]:
        from FedRTTrainLib.training import save_checkpoint, train_steps
        from FedRTTrainLib.weights import get_weights, set_weights

        if self._state is None:
            self._state = self._new_state()
        state = self._state
        set_weights(state, weights)
        first = state.step = (round_number - 1) * steps  # a site that missed a round is where the others are

        def told() -> bool:
            report(state.step - first, steps)
            return False

        summary = train_steps(state, steps, stop=told)
        report(steps, steps)
        save_checkpoint(state, self._work / "checkpoint")
        dice = list(summary.dice.values())
        metrics = {"loss": summary.loss, **({"dice": sum(dice) / len(dice)} if dice else {})}
        return get_weights(state), metrics

    def _new_state(self):
        """The training on this site's dataset, with AdamW's moments from the last checkpoint if there is one."""
        import torch
        from FedRTTrainLib.training import load_checkpoint, new_state

        structures = tuple(Structure(name=name) for name in self._names)
        state = new_state(self._settings, [self._dataset], structures, self._options.cache)
        if self._options.threads:
            torch.set_num_threads(self._options.threads)
        load_checkpoint(state, self._work / "checkpoint")
        return state


def _most_common(processing: dict[str, Processing], offers: dict[str, Offer]) -> Processing:
    """What most sites share; among equals, what stands for most cases."""
    votes: dict[Processing, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for site, own in sorted(processing.items()):
        votes[own] = (votes[own][0] + 1, votes[own][1] + offers[site].cases.total)
    return max(votes, key=votes.get)


def _difference(own: Processing, wanted: Processing) -> str:
    """What differs, in words; empty if nothing does. Spacings and windows are no secrets of a patient."""
    mine, theirs = own.model_dump(), wanted.model_dump()
    return ", ".join(f"{key} {mine[key]} instead of {theirs[key]}" for key in mine if mine[key] != theirs[key])
