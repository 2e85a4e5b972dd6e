"""The data room's commands as the Slicer modules type them: what was chosen in a form -> arguments after `fedrt`."""

from dataclasses import dataclass
from pathlib import Path

from .errors import FedRTError


@dataclass(frozen=True)
class Sources:
    """Where DICOM comes from and what of it is wanted, as the form holds it: texts, empty where nothing was entered."""

    folder: str = ""
    """A folder of files, or that of a Slicer DICOM database."""
    address: str = ""
    """`pacs:AET@host:port` or a DICOMweb URL."""
    patients: str = ""
    first_date: str = ""
    last_date: str = ""
    modality: str = ""
    structures: str = ""

    def arguments(self) -> list[str | Path]:
        """SOURCE... and the selection.

        Raises:
            FedRTError: neither a folder nor an address was entered.
        """
        address = self.address.strip()
        arguments: list[str | Path] = []
        if self.folder.strip() or not address:
            arguments.append(chosen(self.folder, "the source folder, or enter a PACS or DICOMweb address"))
        arguments += [address] if address else []
        arguments += ["--patients", chosen(self.patients, "")] if self.patients.strip() else []
        options = {
            "--from": self.first_date, "--to": self.last_date, "--modality": self.modality,
            "--with-structures": self.structures,
        }  # fmt: skip
        for option, value in options.items():
            arguments += [f"{option}={value.strip()}"] if value.strip() else []
        return arguments


def chosen(path: str, what: str) -> Path:
    """A path that a form must have; absolute, because a job runs in a folder of its own.

    Raises:
        FedRTError: nothing was chosen.
    """
    if not path.strip():
        raise FedRTError(f"Choose {what}.")
    return Path(path.strip()).expanduser().absolute()


def index(sources: Sources) -> list[str | Path]:
    """`dataset index`."""
    return ["dataset", "index", *sources.arguments()]


def names(sources: Sources, name_map: Path) -> list[str | Path]:
    """`dataset names`, writing `name_map`."""
    return ["dataset", "names", *sources.arguments(), "--map", name_map]


def name_map_path(name_map: str, output: str) -> Path:
    """Where the name map is: as chosen, else beside the dataset, where `dataset build` looks for it as well."""
    if name_map.strip():
        return chosen(name_map, "the name map")
    dataset = chosen(output, "the dataset folder (the name map is written beside it) or a file for the name map")
    return dataset.with_name(dataset.name + ".names.csv")


def build(sources: Sources, config: str, output: str, name_map: str) -> list[str | Path]:
    """`dataset build`."""
    arguments: list[str | Path] = ["dataset", "build", *sources.arguments()]
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
