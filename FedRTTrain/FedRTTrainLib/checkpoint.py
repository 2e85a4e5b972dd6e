"""Save a training and take it up again, bit for bit on a CPU.

A checkpoint is a folder `step-<number>` with `tensors.safetensors` (weights and AdamW's moments) and `state.json`. It
is written under another name, synced and renamed, and older ones are removed only then: whenever the process is killed
or the disk fills, the last complete checkpoint is there. There is nothing else to save: patches, augmentation and
learning rate follow from the seed and the step.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import torch
from FedRTDatasetLib.errors import FedRTError

from .settings import TrainSettings, parse
from .state import TrainState

VERSION = 1
PREFIX = "step-"


def save_checkpoint(state: TrainState, folder: Path | str) -> Path:
    """Write a checkpoint of `state` into `folder` and remove the older ones; returns the new one's path."""
    from safetensors.torch import save_file

    folder = Path(folder)
    target = folder / f"{PREFIX}{state.step:08d}"
    meta = {
        "version": VERSION,
        "step": state.step,
        "precision": state.precision,
        "structures": list(state.names),
        "settings": state.settings.model_dump(mode="json"),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".", suffix=".partial", dir=folder))
        try:
            save_file(_tensors(state), partial / "tensors.safetensors")
            (partial / "state.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")
            for file in partial.iterdir():
                _sync(file)
            if target.exists():
                shutil.rmtree(target)  # the same step again: a training that was taken back to an older checkpoint
            os.rename(partial, target)
            _sync(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise FedRTError(
            f"cannot write a checkpoint to {folder} ({error.strerror or type(error).__name__}); "
            "the previous one is intact: free disk space and start again"
        ) from None
    for other in folder.iterdir():
        if other.name.endswith(".partial") or (other.name.startswith(PREFIX) and other != target):
            shutil.rmtree(other, ignore_errors=True)
    return target


def load_checkpoint(state: TrainState, folder: Path | str) -> bool:
    """Bring `state`, fresh from `new_state`, to the newest checkpoint in `folder`; False if there is none.

    Raises FedRTError if the checkpoint is of another training (other settings, structures or version) or damaged.
    """
    found = sorted(Path(folder).glob(f"{PREFIX}*/state.json"))
    if not found:
        return False
    path = found[-1].parent
    meta, tensors = _read(path)
    saved = parse(TrainSettings, meta["settings"], str(path))
    if saved != state.settings:
        before, now = saved.model_dump(), state.settings.model_dump()
        changed = ", ".join(key for key in now if now[key] != before[key])
        raise FedRTError(f"{folder} holds a training with other settings ({changed}); delete it or give another --out")
    if meta["structures"] != list(state.names):
        raise FedRTError(f"{folder} holds a training for other structures; delete it or give another --out")
    try:
        state.network.load_state_dict(_with_prefix(tensors, "network/"))
        _load_optimizer(state, tensors)
    except (RuntimeError, KeyError, ValueError):
        raise FedRTError(f"{path} does not fit this network; delete it to start the training anew") from None
    state.step = meta["step"]
    state.precision = meta["precision"]
    return True


def _tensors(state: TrainState) -> dict[str, torch.Tensor]:
    tensors = {f"network/{name}": tensor for name, tensor in state.network.state_dict().items()}
    for name, parameter in state.network.named_parameters():
        for moment, tensor in state.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{name}/{moment}"] = tensor
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _load_optimizer(state: TrainState, tensors: dict[str, torch.Tensor]) -> None:
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for index, (name, _) in enumerate(state.network.named_parameters()):
        found = _with_prefix(tensors, f"optimizer/{name}/")
        if found:
            moments[index] = {key: found[key] for key in ("step", "exp_avg", "exp_avg_sq")}
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _read(path: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        meta = json.loads((path / "state.json").read_text(encoding="utf-8"))
        tensors = load_file(path / "tensors.safetensors")
    except (OSError, ValueError, SafetensorError):
        raise FedRTError(f"{path} is damaged; delete it to start the training anew") from None
    if not isinstance(meta, dict) or meta.get("version") != VERSION:
        raise FedRTError(f"{path} was written by another version of FedRT; delete it to start the training anew")
    return meta, tensors


def _with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
