"""The model folder: `model.json` and `weights.safetensors`, data only.

`model.json` states everything needed to use the weights; nothing in the folder is executed, and a folder that is not
exactly as it was written is refused: `model.json` holds the SHA-256 of the weights and, in `sha256`, its own (computed
with that field as zeros). That hash names the model and is what a descendant gives as its parent.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from FedRTDatasetLib.atomic import replacing_folder
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.preprocess import Processing
from FedRTDatasetLib.naming.structures import Structure
from pydantic import Field, model_validator

from .metrics import SplitScores
from .settings import Frozen, Network, Size, parse

if TYPE_CHECKING:
    import torch

    from .network import SegmentationNetwork

MODEL_FILE, WEIGHTS_FILE = "model.json", "weights.safetensors"
ZEROS = "0" * 64
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
NAME_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9_ ~^!+.\-]{0,63}"
"""Names that can stand in a file name, a DICOM attribute and a table."""
StructureName = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]


class TrainingSummary(Frozen):
    """How much went into a model, as counts; no case and no site is named."""

    steps: Count = 0
    """Optimiser steps; in a federation those of one site."""
    sites: Annotated[int, Field(ge=1)] = 1
    cases: Count = 0
    labelled_cases: dict[StructureName, Count] = Field(default_factory=dict)
    """Training cases contoured for each structure."""
    seconds: Annotated[float, Field(ge=0)] = 0.0


class Lineage(Frozen):
    """Where a model comes from."""

    parent: Sha256 | None = None
    """Hash of the model it was trained on from."""
    round: Count = 0
    """Federation round; 0 for a local training."""
    software: dict[str, str] = Field(default_factory=dict)


class ModelCard(Frozen):
    """The content of `model.json`."""

    format: Literal["fedrt-model"] = "fedrt-model"
    version: Literal[1] = 1
    network: Network
    structures: Annotated[tuple[Structure, ...], Field(min_length=1, max_length=256)]
    """The output channels, in order."""
    processing: Processing
    """What has to be done to an image before the network sees it."""
    patch_size: Literal["whole"] | tuple[Size, Size, Size] = "whole"
    """(z, y, x) voxels the network was trained on."""
    training: TrainingSummary = TrainingSummary()
    metrics: dict[Literal["train", "validation", "test"], SplitScores] = Field(default_factory=dict)
    lineage: Lineage = Lineage()
    weights_sha256: Sha256 = ZEROS
    sha256: Sha256 = ZEROS

    @model_validator(mode="after")
    def _names_differ(self) -> "ModelCard":
        names = [structure.name for structure in self.structures]
        if len(set(names)) < len(names):
            raise ValueError("two structures have the same name")
        if not all(re.fullmatch(NAME_PATTERN, name) for name in names):
            raise ValueError("a structure's name has other characters than letters, digits and _ ~^!+.-")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """TG-263 names of the structures, in the order of the channels."""
        return tuple(structure.name for structure in self.structures)


def save_model(folder: Path | str, network_state: "dict[str, torch.Tensor]", card: ModelCard) -> ModelCard:
    """Write a model folder in the place of what is there; returns the card with both hashes filled in.

    `network_state` is the state dict of the network that `card.network` and `card.structures` describe. Raises
    FedRTError if there is something else than a model at `folder`.
    """
    from safetensors.torch import save_file

    refuse_other_content(folder)
    with replacing_folder(folder) as partial:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network_state.items()}
        save_file(tensors, partial / WEIGHTS_FILE)
        card = card.model_copy(update={"weights_sha256": _sha256(partial / WEIGHTS_FILE), "sha256": ZEROS})
        digest = hashlib.sha256(_text(card).encode()).hexdigest()
        card = card.model_copy(update={"sha256": digest})
        (partial / MODEL_FILE).write_text(_text(card), encoding="utf-8", newline="\n")
        for file in partial.iterdir():
            with open(file, "rb") as written:
                os.fsync(written.fileno())
    return card


def refuse_other_content(folder: Path | str) -> None:
    """Raise FedRTError if `folder` is there and is neither empty nor a model: nothing else is ever overwritten."""
    folder = Path(folder)
    if folder.exists() and not (folder / MODEL_FILE).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise FedRTError(f"{folder} exists and is no model; give another --out or remove it")


def load_card(folder: Path | str) -> ModelCard:
    """Read and check `model.json` alone; raises FedRTError that says why a folder is refused."""
    path = Path(folder) / MODEL_FILE
    try:
        data = path.read_bytes()
        values = json.loads(data.decode("utf-8"))
    except FileNotFoundError:
        raise FedRTError(f"{folder} holds no {MODEL_FILE}; give the folder of a FedRT model") from None
    except ValueError:
        raise FedRTError(f"{path} is not valid JSON; get the model from its source again") from None
    if not isinstance(values, dict) or values.get("format") != "fedrt-model":
        raise FedRTError(f"{path} does not describe a FedRT model; give the folder of a FedRT model")
    if values.get("version") != 1:
        raise FedRTError(f"{path} has another format version than 1, the one this FedRT reads; update FedRT")
    card = parse(ModelCard, values, str(path))
    if hashlib.sha256(data.replace(card.sha256.encode(), ZEROS.encode(), 1)).hexdigest() != card.sha256:
        raise FedRTError(f"{path} was changed after it was written; get the model from its source again")
    return card


def load_model(folder: Path | str) -> "tuple[SegmentationNetwork, ModelCard]":
    """The network, in eval mode on the CPU, and the card of a model folder.

    Raises FedRTError if a byte of the folder was changed, the network is not on the allow-list, or `model.json` or the
    weights do not fit their description.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    from .network import build_network

    card = load_card(folder)
    path = Path(folder) / WEIGHTS_FILE
    try:
        data = path.read_bytes()
    except OSError:
        raise FedRTError(f"{path} is missing; get the model from its source again") from None
    if hashlib.sha256(data).hexdigest() != card.weights_sha256:
        raise FedRTError(f"{path} was changed after it was written; get the model from its source again")
    network = build_network(card.network, len(card.structures))
    try:
        network.load_state_dict(load(data))
    except (SafetensorError, RuntimeError):
        raise FedRTError(
            f"{path} does not fit the network that {MODEL_FILE} describes; get the model from its source again"
        ) from None
    return network.eval(), card


def software_versions() -> dict[str, str]:
    """Versions of what a model's numbers depend on."""
    versions = {"python": platform.python_version()}
    for name in ("fedrt", "torch", "monai", "numpy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # a flat copy inside Slicer
            from FedRTDatasetLib import __version__

            versions[name] = __version__ if name == "fedrt" else "unknown"
    return versions


def _text(card: ModelCard) -> str:
    return json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
