"""The data room's commands as the Slicer modules type them: what was chosen in a form -> arguments after `fedrt`."""

from pathlib import Path

from .errors import FedRTError


def chosen(path: str, what: str) -> Path:
    """A path that a form must have; absolute, because a job runs in a folder of its own.

    Raises:
        FedRTError: nothing was chosen.
    """
    if not path.strip():
        raise FedRTError(f"Choose {what}.")
    return Path(path.strip()).expanduser().absolute()


def index(source: str) -> list[str | Path]:
    """`dataset index`."""
    return ["dataset", "index", chosen(source, "the source folder")]


def names(source: str, name_map: Path) -> list[str | Path]:
    """`dataset names`, writing `name_map`."""
    return ["dataset", "names", chosen(source, "the source folder"), "--map", name_map]


def name_map_path(name_map: str, output: str) -> Path:
    """Where the name map is: as chosen, else beside the dataset, where `dataset build` looks for it as well."""
    if name_map.strip():
        return chosen(name_map, "the name map")
    dataset = chosen(output, "the dataset folder (the name map is written beside it) or a file for the name map")
    return dataset.with_name(dataset.name + ".names.csv")


def build(source: str, config: str, output: str, name_map: str) -> list[str | Path]:
    """`dataset build`."""
    arguments: list[str | Path] = ["dataset", "build", chosen(source, "the source folder")]
    arguments += ["--config", chosen(config, "the settings file"), "--out", chosen(output, "the dataset folder")]
    return [*arguments, "--map", chosen(name_map, "the name map")] if name_map.strip() else arguments


def segmentation_to_rtstruct(segmentation: Path, reference: str, out: str) -> list[str | Path]:
    """`rtstruct from-seg`."""
    reference_folder = chosen(reference, "the folder of the image series")
    return [
        "rtstruct",
        "from-seg",
        segmentation,
        "--reference",
        reference_folder,
        "--out",
        chosen(out, "the RTSTRUCT file"),
    ]
