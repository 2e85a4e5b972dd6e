"""The training room's command as the Slicer module types it: what was chosen in a form -> arguments after `fedrt`."""

from pathlib import Path

from FedRTDatasetLib.arguments import chosen
from FedRTDatasetLib.errors import FedRTError


def train(datasets: list[str], preset: str, config: str, model: str) -> list[str | Path]:
    """`train`; a settings file of one's own goes before the preset.

    Raises:
        FedRTError: no dataset or no model folder was chosen.
    """
    if not datasets:
        raise FedRTError("Add at least one dataset folder.")
    folders = [chosen(folder, "a dataset folder") for folder in datasets]
    settings = chosen(config, "the settings file") if config.strip() else preset
    return ["train", *folders, "--config", settings, "--out", chosen(model, "the model folder")]


def preset_names() -> list[str]:
    """The shipped presets, by the names of their files: the settings' own code needs packages Slicer may not have yet."""
    return sorted(path.stem for path in (Path(__file__).parent / "presets").glob("*.toml"))
