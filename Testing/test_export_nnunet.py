"""nnU-Net export, held against nnU-Net's documented rules (and its own checker, by hand: benchmarks are no place for it)."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from FedRTDatasetLib.commandline import main
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.preprocess import Processing
from FedRTDatasetLib.reporting import Reporter
from FedRTDatasetLib.storage.dataset import (
    Dataset,
    read_image,
    read_structures,
    write_record,
)
from FedRTDatasetLib.storage.export_nnunet import export_nnunet
from FedRTDatasetLib.storage.records import DeclaredImage, ImageRecord
from FedRTDatasetLib.storage.versions import add_version
from tiny_dataset import write_tiny_dataset

ORGANS = ("Bladder", "Prostate", "Rectum")


def check_rules(folder: Path) -> dict:
    """What nnU-Net's documentation asks of a raw dataset; returns its dataset.json."""
    about = json.loads((folder / "dataset.json").read_text())
    assert {"channel_names", "labels", "numTraining", "file_ending"} <= set(about)
    labels = dict(about["labels"])
    assert labels.pop("background") == 0
    ignore = labels.pop("ignore", None)
    values = sorted({value for label in labels.values() for value in (label if isinstance(label, list) else [label])})
    assert values == list(range(1, len(values) + 1))
    assert ignore in (None, len(values) + 1)
    assert all(len(label) > 1 for label in labels.values() if isinstance(label, list))
    if any(isinstance(label, list) for label in labels.values()):
        assert len(about["regions_class_order"]) == len(labels)
        assert set(about["regions_class_order"]) <= set(values)
    else:
        assert "regions_class_order" not in about
    ending, channels = about["file_ending"], len(about["channel_names"])
    for images, segmentations in (("imagesTr", "labelsTr"), ("imagesTs", "labelsTs")):
        cases = sorted(path.name.removesuffix(ending) for path in (folder / segmentations).glob("*"))
        if images == "imagesTr":
            assert len(cases) == about["numTraining"]
        expected = {f"{case}_{channel:04d}{ending}" for case in cases for channel in range(channels)}
        assert {path.name for path in (folder / images).glob("*")} == expected
        for case in cases:
            label = sitk.ReadImage(str(folder / segmentations / f"{case}{ending}"))
            assert set(np.unique(sitk.GetArrayViewFromImage(label))) <= {0, *values, ignore}
            for channel in range(channels):
                image = sitk.ReadImage(str(folder / images / f"{case}_{channel:04d}{ending}"))
                for what in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
                    assert getattr(image, what)() == pytest.approx(getattr(label, what)())
    return about


def labels_in(folder, name):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{name}.nii.gz")))


@pytest.fixture
def dataset(tmp_path):
    return write_tiny_dataset(tmp_path / "set", cases={"train": 2, "validation": 1, "test": 1}, organs=ORGANS)


def with_overlap(dataset):
    """A version in which Prostate reaches into Bladder."""
    case = dataset.case("c00")
    masks, _ = read_structures(case, ORGANS)
    add_version(case, {"Prostate": masks[1] | np.roll(masks[0], 4, axis=0)}, "physician", 1, approved=True)
    return Dataset.open(dataset.path)


def test_layout_splits_and_values(dataset, tmp_path):
    exported = export_nnunet(dataset, tmp_path / "Dataset501_Tiny")
    about = check_rules(tmp_path / "Dataset501_Tiny")
    assert (exported.training, exported.test) == (["c00", "c01", "c02"], ["c03"])
    assert json.loads((tmp_path / "Dataset501_Tiny" / "splits_final.json").read_text()) == [
        {"train": ["c00", "c01"], "val": ["c02"]}
    ]
    for case in dataset.cases:
        part = "Ts" if case.split == "test" else "Tr"
        image = sitk.ReadImage(str(tmp_path / "Dataset501_Tiny" / f"images{part}" / f"{case.id}_0000.nii.gz"))
        assert np.array_equal(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(read_image(case)))
        labels = labels_in(tmp_path / "Dataset501_Tiny" / f"labels{part}", case.id)
        masks, _ = read_structures(case, ORGANS)
        for name, mask in zip(ORGANS, masks, strict=True):
            assert np.array_equal(np.isin(labels, about["labels"][name]), mask.astype(bool))


def test_overlaps_become_regions_and_come_back(dataset, tmp_path):
    dataset = with_overlap(dataset)
    out = tmp_path / "Dataset501_Tiny"
    export_nnunet(dataset, out)
    about = check_rules(out)
    for case in dataset.cases:
        labels = labels_in(out / ("labelsTs" if case.split == "test" else "labelsTr"), case.id)
        masks, _ = read_structures(case, ORGANS)
        for name, mask in zip(ORGANS, masks, strict=True):
            assert np.array_equal(np.isin(labels, about["labels"][name]), mask.astype(bool)), (case.id, name)
    meaning = json.loads((out / "export.json").read_text())["label_meaning"]
    assert ["Bladder", "Prostate"] in meaning.values()


@pytest.mark.parametrize("unlabelled", ["ignore", "skip"])
def test_structures_that_were_not_contoured_are_not_background(tmp_path, unlabelled):
    dataset = write_tiny_dataset(tmp_path / "set", cases={"train": 3}, organs=ORGANS, unlabelled={"c01": ("Rectum",)})
    out = tmp_path / "Dataset501_Tiny"
    exported = export_nnunet(dataset, out, unlabelled=unlabelled)
    about = check_rules(out)
    if unlabelled == "skip":
        assert exported.training == ["c00", "c02"]
        assert exported.left_out == {"c01": "it is not contoured for Rectum"}
        assert "ignore" not in about["labels"]
    else:
        labels = labels_in(out / "labelsTr", "c01")
        assert not (labels == 0).any()
        assert not np.isin(labels, about["labels"]["Rectum"]).any()
        assert (labels == about["labels"]["ignore"]).any()
        assert not (labels_in(out / "labelsTr", "c00") == about["labels"]["ignore"]).any()


def test_several_images_are_channels(dataset, tmp_path):
    record = dataset.record.model_copy(deep=True)
    raw, scaled = Processing(modality="CT", intensity="none"), Processing(modality="PT", n4=False)
    record.images = [
        DeclaredImage(name="ct", modality="CT", file="image.nrrd", required=True, processing=raw),
        DeclaredImage(name="pet", modality="PT", file="image_1.nrrd", required=False, processing=scaled),
    ]
    write_record(dataset.path / "dataset.json", record)
    for case in dataset.cases[:-1]:
        (case.folder / "image_1.nrrd").write_bytes((case.folder / "image.nrrd").read_bytes())
        case.images = [
            ImageRecord(name=i.name, modality=i.modality, file=i.file, processing=i.processing) for i in record.images
        ]
        write_record(case.folder / "case.json", case)
    out = tmp_path / "Dataset501_Tiny"
    exported = export_nnunet(Dataset.open(dataset.path), out)
    assert check_rules(out)["channel_names"] == {"0": "CT", "1": "noNorm"}
    assert exported.left_out == {"c03": "it lacks image_1.nrrd; nnU-Net needs every channel of every case"}


class Interrupted(Reporter):
    """Stops the work after one case."""

    def progress(self, stage, done, of):
        if (stage, done) == ("export", 2):
            raise KeyboardInterrupt


def test_an_interrupted_export_goes_on(dataset, tmp_path):
    out = tmp_path / "Dataset501_Tiny"
    with pytest.raises(KeyboardInterrupt):
        export_nnunet(dataset, out, report=Interrupted())
    assert not (out / "dataset.json").exists()
    first = out / "imagesTr" / "c00_0000.nii.gz"
    written = first.stat().st_mtime_ns
    export_nnunet(dataset, out)
    check_rules(out)
    assert first.stat().st_mtime_ns == written


def test_again_writes_only_what_changed_and_removes_what_went(dataset, tmp_path):
    out = tmp_path / "Dataset501_Tiny"
    export_nnunet(dataset, out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.nii.gz")}
    export_nnunet(dataset, out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.nii.gz")} == times
    case = dataset.case("c01")
    masks, _ = read_structures(case, ["Bladder"])
    add_version(case, {"Bladder": np.roll(masks[0], 1, axis=0) & ~read_structures(case, ["Prostate"])[0][0]}, "physician", 1,
                approved=True)  # fmt: skip
    export_nnunet(Dataset.open(dataset.path), out)
    changed = {path.name for path in times if path.stat().st_mtime_ns != times[path]}
    assert "c01.nii.gz" in changed
    assert not any(name.endswith("_0000.nii.gz") for name in changed)
    record = dataset.record.model_copy(update={"cases": ["c00", "c01"]})
    write_record(dataset.path / "dataset.json", record)
    export_nnunet(Dataset.open(dataset.path), out)
    check_rules(out)
    assert not list(out.rglob("c03*"))


def test_refusals(dataset, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(FedRTError, match="no nnU-Net export of FedRT"):
        export_nnunet(dataset, tmp_path / "full")
    (tmp_path / "full" / "export.json").write_text(
        json.dumps({"fedrt_export": "nnunet", "files": {"../set/dataset.json": "x"}})
    )
    with pytest.raises(FedRTError, match="no nnU-Net export of FedRT"):
        export_nnunet(dataset, tmp_path / "full")
    assert (tmp_path / "set" / "dataset.json").exists()
    with pytest.raises(FedRTError, match="has no Spleen"):
        export_nnunet(dataset, tmp_path / "new", structures=["Spleen"])
    assert not (tmp_path / "new").exists()


def test_command(dataset, tmp_path, capsys):
    told = ["dataset", "export", str(dataset.path), "--format", "nnunet", "--progress", "bar"]
    assert main([*told, "--out", str(tmp_path / "anything"), "--structures", "Rectum", "Bladder"]) == 0
    assert "Dataset<three digits>_<name>" in capsys.readouterr().err
    assert check_rules(tmp_path / "anything")["labels"].keys() == {"background", "Rectum", "Bladder"}
    assert main([*told, "--out", str(tmp_path / "set")]) == 1
