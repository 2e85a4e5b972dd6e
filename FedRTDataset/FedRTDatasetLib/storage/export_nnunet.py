"""A dataset as nnU-Net v2 reads it (`nnUNet_raw/Dataset<NNN>_<Name>`).

Source: nnU-Net's documentation (dataset_format.md, region_based_training.md, ignore_label.md, manual_data_splits.md).

    dataset.json         channels, labels or regions, number of training cases
    imagesTr, labelsTr   the cases of our training and validation splits
    imagesTs, labelsTs   those of the test split
    splits_final.json    our training and validation split; it goes to nnUNet_preprocessed/<the dataset> before training
    export.json          what was left out or cannot be said in this format, and which file is from what
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .. import __version__
from ..atomic import remove_leftovers, replacing, write_json
from ..errors import FedRTError
from ..reporting import Reporter
from .dataset import CaseRecord, Dataset, read_structures
from .label_map import LabelTable, count_combinations
from .versions import structures_of

Unlabelled = Literal["ignore", "skip"]
ENDING = ".nii.gz"
RECORD = "export.json"
CHANNELS = {"hu_window": "noNorm", "suv_window": "noNorm", "zscore": "noNorm"}
"""How the image was harmonised -> nnU-Net's normalisation scheme, chosen by the channel's name; see `_channel`."""
LOST = [
    "dose, plan values, planar contours as drawn, and the records of each case",
    "which of the ignored voxels are background and which belong to a structure that was not contoured",
    "overlaps in nnU-Net's own predictions: it writes one label a voxel (--save_probabilities keeps the regions apart)",
]


@dataclass
class Exported:
    """training, test: the case names written. left_out: case -> reason. table: what the labels mean."""

    table: LabelTable
    training: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def export_nnunet(
    dataset: Dataset,
    out: Path,
    *,
    structures: list[str] | None = None,
    unlabelled: Unlabelled = "ignore",
    report: Reporter | None = None,
) -> Exported:
    """Write (or go on writing) the dataset into `out`, which becomes an nnU-Net raw dataset folder.

    Args:
        structures: those to export, in the order of their labels; all by default.
        unlabelled: what becomes of cases that are not contoured for all of them: `ignore` gives the ignore label to
            voxels where a structure that was not contoured might be, `skip` leaves such cases out.

    Raises:
        FedRTError: `out` holds something else, a structure is not in the dataset, or nothing is left to export.
    """
    report = report or Reporter()
    names = structures or [structure.name for structure in dataset.structures]
    unknown = sorted(set(names) - {structure.name for structure in dataset.structures})
    if unknown:
        raise FedRTError(
            f"dataset {dataset.path} has no {', '.join(unknown)}; `fedrt dataset check` lists its structures."
        )
    out = Path(out)
    known = _open(out)
    cases, left_out = _choose(dataset, names, unlabelled)
    if not any(case.split != "test" for case in cases):
        raise FedRTError(
            f"no case of {dataset.path} is left to train on: name fewer --structures or allow ignored voxels."
        )
    write_json(out / RECORD, {"fedrt_export": "nnunet", "state": "writing", "files": known})

    table = _table(cases, names, report)
    files: dict[str, str] = {}
    for done, case in enumerate(cases):
        report.progress("export", done, len(cases))
        for name, stamp, write in _files(dataset, case, table):
            if known.get(name) != stamp or not (out / name).is_file():
                with replacing(out / name) as partial:
                    write(partial)
            files[name] = stamp
            known[name] = stamp
        write_json(out / RECORD, {"fedrt_export": "nnunet", "state": "writing", "files": known})
    report.progress("export", len(cases), len(cases))
    for name in known.keys() - files.keys():  # of cases that are no longer exported
        (out / name).unlink(missing_ok=True)

    exported = Exported(table, left_out=left_out)
    exported.training = [case.id for case in cases if case.split != "test"]
    exported.test = [case.id for case in cases if case.split == "test"]
    _write_splits(out, cases)
    write_json(out / "dataset.json", _description(dataset, exported))
    write_json(out / RECORD, {"fedrt_export": "nnunet", "state": "complete", "fedrt": __version__,
        "label_meaning": _meaning(table), "left_out": left_out, "lost": LOST, "files": files})  # fmt: skip
    return exported


def _open(out: Path) -> dict[str, str]:
    """What an earlier or interrupted export wrote: file name -> what it was made of."""
    import json

    if not out.exists() or not any(out.iterdir()):
        out.mkdir(parents=True, exist_ok=True)
        return {}
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
        files = record["files"] if record["fedrt_export"] == "nnunet" else None
    except (OSError, ValueError, KeyError, TypeError):
        files = None
    if not isinstance(files, dict) or not all(_is_ours(name) and isinstance(files[name], str) for name in files):
        raise FedRTError(
            f"{out} holds files that are no nnU-Net export of FedRT; name an empty or new folder with --out."
        )
    for folder in (out, *(out / name for name in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"))):
        remove_leftovers(folder)
    return files


def _is_ours(name: str) -> bool:
    return re.fullmatch(r"(images|labels)T[rs]/[A-Za-z0-9][\w.-]*\.nii\.gz", name) is not None


def _choose(dataset: Dataset, names: list[str], unlabelled: Unlabelled) -> tuple[list[CaseRecord], dict[str, str]]:
    cases, left_out = [], {}
    wanted = _channel_files(dataset)
    for case in dataset.cases:
        missing = [name for name in names if name not in case.labelled]
        absent = [file for file in wanted if not (case.folder / file).is_file()]
        if len(missing) == len(names):
            left_out[case.id] = "it is not contoured for any of the structures"
        elif missing and unlabelled == "skip":
            left_out[case.id] = f"it is not contoured for {', '.join(missing)}"
        elif absent:
            left_out[case.id] = f"it lacks {', '.join(absent)}; nnU-Net needs every channel of every case"
        else:
            cases.append(case)
    return cases, left_out


def _table(cases: list[CaseRecord], names: list[str], report: Reporter) -> LabelTable:
    counts: Counter[int] = Counter()
    incomplete = False
    for done, case in enumerate(cases):
        report.progress("overlaps", done, len(cases))
        masks, labelled = read_structures(case, names)
        counts += count_combinations(masks)
        incomplete |= not labelled.all()
    report.progress("overlaps", len(cases), len(cases))
    return LabelTable.of(names, counts, ignore=incomplete)


def _files(dataset: Dataset, case: CaseRecord, table: LabelTable) -> list[tuple[str, str, Callable[[Path], None]]]:
    """Of a case: file name, what it is made of, and how to write it."""
    part = "Ts" if case.split == "test" else "Tr"
    files = [
        (f"images{part}/{case.id}_{channel:04d}{ENDING}", f"image {_sha256(case, file)}", _image_writer(case, file))
        for channel, file in enumerate(_channel_files(dataset))
    ]
    structures = f"labels {structures_of(case, case.version).sha256} {table.names} {table.combined} {table.ignore}"
    return [*files, (f"labels{part}/{case.id}{ENDING}", structures, _label_writer(case, table))]


def _channel_files(dataset: Dataset) -> list[str]:
    return [image.file for image in dataset.record.images] or ["image.nrrd"]


def _sha256(case: CaseRecord, file: str) -> str:
    return case.sha256.get(file, "unknown")


def _image_writer(case: CaseRecord, file: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        import SimpleITK as sitk

        sitk.WriteImage(sitk.ReadImage(str(case.folder / file)), str(path), useCompression=True)

    return write


def _label_writer(case: CaseRecord, table: LabelTable) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(table.encode(*read_structures(case, table.names)))
        image.SetSpacing(case.grid.spacing_mm)
        image.SetOrigin(case.grid.origin_mm)
        image.SetDirection(case.grid.direction)
        sitk.WriteImage(image, str(path), useCompression=True)

    return write


def _write_splits(out: Path, cases: list[CaseRecord]) -> None:
    chosen = {split: [case.id for case in cases if case.split == split] for split in ("train", "validation")}
    if all(chosen.values()):
        write_json(out / "splits_final.json", [{"train": chosen["train"], "val": chosen["validation"]}])
    else:
        (out / "splits_final.json").unlink(missing_ok=True)


def _description(dataset: Dataset, exported: Exported) -> dict:
    """`dataset.json`. The order of the regions is that of `regions_class_order`: large ones first, so that those within
    them are not painted over when nnU-Net turns regions back into labels."""
    table = exported.table
    order = sorted(range(len(table.names)), key=lambda s: (-table.volume_of(s), s)) if table.has_overlaps else None
    labels: dict[str, int | list[int]] = {"background": 0}
    for s in order or range(len(table.names)):
        own = table.labels_of(s)
        labels[table.names[s]] = own if len(own) > 1 else own[0]  # nnU-Net drops a list of one label
    if table.ignore:
        labels["ignore"] = table.ignore_label
    description = {
        "channel_names": {str(n): name for n, name in enumerate(_channels(dataset))},
        "labels": labels,
        "numTraining": len(exported.training),
        "file_ending": ENDING,
        "overwrite_image_reader_writer": "SimpleITKIO",
        "name": dataset.name,
        "description": f"exported by FedRT {__version__}; export.json says what was left out",
    }
    if order is not None:
        description["regions_class_order"] = [table.usual_label(s) for s in order]
    return description


def _channels(dataset: Dataset) -> list[str]:
    """nnU-Net takes the normalisation from the channel's name. Images with harmonised intensities are not to be normalised
    again (`noNorm`); raw CT numbers get nnU-Net's `CT` scheme, other raw images its default, under their own name."""
    declared = [(image.name, image.processing) for image in dataset.record.images] or [("image", dataset.processing)]
    return [
        CHANNELS.get(processing.intensity) or ("CT" if processing.modality == "CT" else name)
        for name, processing in declared
    ]


def _meaning(table: LabelTable) -> dict[str, list[str]]:
    """Label -> the structures that are there together."""
    meaning = {
        str(label): [name for s, name in enumerate(table.names) if bits >> s & 1]
        for label, bits in enumerate(table.combined, 1)
    }
    return {"0": [], **meaning} | ({str(table.ignore_label): ["unknown"]} if table.ignore else {})
