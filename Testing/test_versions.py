"""Corrected structure sets: numbered, never overwritten, read once approved, kept by a rebuild."""

import json
import subprocess
import sys

import nrrd
import numpy as np
import pytest
from dicom_maker import make_patient
from FedRTDatasetLib.building.build import build_dataset
from FedRTDatasetLib.building.build_settings import BuildSettings
from FedRTDatasetLib.commandline import main
from FedRTDatasetLib.contouring.outline import outline
from FedRTDatasetLib.contouring.rtstruct_write import RoiContours, write_rtstruct
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.naming.names import NameMap
from FedRTDatasetLib.naming.structures import structure
from FedRTDatasetLib.pseudonym import SiteKey
from FedRTDatasetLib.storage.correction import read_correction
from FedRTDatasetLib.storage.dataset import Dataset, read_image, read_structures
from FedRTDatasetLib.storage.segmentation import read_segmentation, write_segmentation
from FedRTDatasetLib.storage.versions import (
    add_version,
    approve,
    structures_of,
    versions_of,
)
from tiny_dataset import write_tiny_dataset

ORGANS = ("Bladder", "Prostate", "Rectum")


@pytest.fixture
def dataset(tmp_path):
    return write_tiny_dataset(
        tmp_path / "set", cases={"train": 1, "test": 1}, organs=ORGANS, unlabelled={"c00": ("Rectum",)}
    )


def bladder(case, shift=1):
    masks, _ = read_structures(case, ["Bladder"])
    return np.roll(masks[0], shift, axis=2)


def test_a_correction_is_the_next_version_and_counts_once_approved(dataset):
    case = dataset.case("c00")
    moved = bladder(case)
    record = add_version(case, {"Bladder": moved}, "physician", 61.2)
    original, _ = read_structures(case, ORGANS)
    dice = 2 * (original[0] & moved).sum() / (original[0].sum() + moved.sum())
    assert (record.number, record.parent, record.changed, record.seconds) == (1, 0, ["Bladder"], 61.2)
    assert record.dice_to_parent == {"Bladder": pytest.approx(dice, abs=1e-6), "Prostate": 1.0}
    assert record.parent_sha256 == case.sha256["structures.seg.nrrd"]

    for version, expected in (("approved", original[0]), ("newest", moved), ("original", original[0])):
        opened = Dataset.open(dataset.path, version).case("c00")
        assert np.array_equal(read_structures(opened, ["Bladder"])[0][0], expected)
    approve(case, 1, "physician")
    opened = Dataset.open(dataset.path).case("c00")
    assert opened.version == 1
    assert np.array_equal(read_structures(opened, ["Bladder"])[0][0], moved)
    assert opened.volumes_cm3["Bladder"] == pytest.approx(moved.sum() * 4 * 4 * 5 / 1000, abs=1e-3)


def test_a_structure_that_was_not_contoured_and_one_that_goes(dataset):
    case = dataset.case("c00")
    add_version(case, {"Rectum": bladder(case, 3)}, "resident", 5, approved=True)
    opened = Dataset.open(dataset.path).case("c00")
    assert opened.labelled == ["Bladder", "Prostate", "Rectum"]
    assert Dataset.open(dataset.path).labelled_cases()["Rectum"] == 1
    record = add_version(opened, {}, "physicist", 1, removed=("Prostate",), approved=True)
    assert (record.number, record.parent, record.changed) == (2, 1, ["Prostate"])
    assert read_structures(Dataset.open(dataset.path).case("c00"), ORGANS)[1].tolist() == [True, False, True]
    assert [version.number for version in versions_of(case)] == [1, 2]


def test_versions_are_kept_as_they_are(dataset):
    case = dataset.case("c00")
    add_version(case, {"Bladder": bladder(case)}, "physician", 1)
    before = {path: path.read_bytes() for path in (case.folder / "versions").rglob("*") if path.is_file()}
    add_version(case, {"Bladder": bladder(case, 2)}, "physician", 1, approved=True)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_nothing_says_who_or_when(dataset):
    case = dataset.case("c00")
    add_version(case, {"Bladder": bladder(case)}, "physician", 1, approved=True)
    folder = case.folder / "versions" / "0001"
    assert sorted(path.name for path in folder.iterdir()) == ["approval.json", "structures.seg.nrrd", "version.json"]
    assert set(json.loads((folder / "version.json").read_text())) == {
        "format", "number", "parent", "parent_sha256", "editor_role", "seconds", "labelled", "changed", "dice_to_parent",
        "volumes_cm3", "sha256",
    }  # fmt: skip


def test_processes_that_store_at_once_get_numbers_of_their_own(dataset):
    script = (
        "import sys, numpy as np\n"
        "from FedRTDatasetLib.storage.dataset import Dataset, read_structures\n"
        "from FedRTDatasetLib.storage.versions import add_version\n"
        "case = Dataset.open(sys.argv[1]).case('c00')\n"
        "mask = np.roll(read_structures(case, ['Bladder'])[0][0], int(sys.argv[2]) + 1, axis=2)\n"
        "sys.stdin.readline()\n"
        "for n in range(4): print(add_version(case, {'Bladder': np.roll(mask, n, axis=1)}, 'other', 1, parent=0).number)\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", script, str(dataset.path), str(n)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(3)
    ]  # fmt: skip
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    told = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], told
    numbers = sorted(int(number) for out, _ in told for number in out.split())
    assert numbers == list(range(1, 13))
    case = dataset.case("c00")
    assert [record.number for record in versions_of(case)] == numbers
    assert all(structures_of(case, number).path.is_file() for number in numbers)
    assert not list((case.folder / "versions").glob(".*"))


def test_what_is_refused(dataset):
    case = dataset.case("c00")
    same, _ = read_structures(case, ["Bladder"])
    with pytest.raises(FedRTError, match="changes no voxel of version 0"):
        add_version(case, {"Bladder": same[0]}, "physician", 1)
    with pytest.raises(FedRTError, match=r"has .* voxels, case c00 has"):
        add_version(case, {"Bladder": same[0][:-1]}, "physician", 1)
    with pytest.raises(FedRTError, match="is empty"):
        add_version(case, {"Bladder": same[0] * 0}, "physician", 1)
    with pytest.raises(FedRTError, match="has no version 7"):
        structures_of(case, 7)
    assert versions_of(case) == []
    add_version(case, {"Bladder": bladder(case)}, "physician", 1, approved=True)
    path = case.folder / "versions" / "0001" / "structures.seg.nrrd"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FedRTError, match="version 1 of case c00 is missing or was altered"):
        Dataset.open(dataset.path)
    assert Dataset.open(dataset.path, "original").case("c00").version == 0


def test_a_correction_comes_as_segmentation_or_rtstruct_on_any_grid(dataset, tmp_path):
    import SimpleITK as sitk
    from FedRTDatasetLib.imaging.geometry import stack_of_image

    case, image = dataset.case("c00"), read_image(dataset.case("c00"))
    mask = bladder(case)
    write_segmentation(tmp_path / "a.seg.nrrd", mask[None], [structure("Bladder")], image)
    assert np.array_equal(read_correction(case, tmp_path / "a.seg.nrrd", ORGANS)["Bladder"], mask)

    part = image[2:-2, 3:, :]  # Slicer saves the extent of the segments only
    small = sitk.GetArrayFromImage(sitk.GetImageFromArray(mask)[2:-2, 3:, :])
    write_segmentation(tmp_path / "b.seg.nrrd", small[None], [structure("Bladder")], part)
    back = read_correction(case, tmp_path / "b.seg.nrrd", ORGANS)["Bladder"]
    assert np.array_equal(back[:, 3:, 2:-2], small)
    assert back.sum() == small.sum()

    series = make_patient(tmp_path / "dicom")
    rois = [RoiContours("Bladder", outline(mask, stack_of_image(image)))]
    write_rtstruct(tmp_path / "c.dcm", series.headers, rois, "corrected")
    assert np.array_equal(read_correction(case, tmp_path / "c.dcm", ORGANS)["Bladder"], mask)

    write_segmentation(tmp_path / "d.seg.nrrd", mask[None], [structure("Somebody")], image)
    with pytest.raises(FedRTError, match="which is no structure of the dataset"):
        read_correction(case, tmp_path / "d.seg.nrrd", ORGANS)
    write_segmentation(tmp_path / "e.seg.nrrd", np.stack([mask, mask]), [structure("Bladder")] * 2, image)
    with pytest.raises(FedRTError, match="two structures called Bladder"):
        read_correction(case, tmp_path / "e.seg.nrrd", ORGANS)


def test_commands(dataset, tmp_path, capsys):
    case = dataset.case("c00")
    write_segmentation(tmp_path / "a.seg.nrrd", bladder(case)[None], [structure("Bladder")], read_image(case))
    told = ["--role", "physician", "--progress", "none"]
    path = str(dataset.path)
    assert main(["dataset", "add-version", path, "c00", str(tmp_path / "a.seg.nrrd"), "--seconds", "90", *told]) == 0
    assert main(["dataset", "approve-version", path, "c00", "1", *told]) == 0
    assert main(["dataset", "versions", path, "--json", "--progress", "none"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(v["case"], v["number"], v["approved"], v["used"]) for v in listed] == [("c00", 1, True, True)]
    assert main(["dataset", "versions", path, "c00", "--progress", "none"]) == 0
    assert main(["dataset", "approve-version", path, "c00", "2", *told]) == 1
    assert "has no version 2" in capsys.readouterr().err


def build(tmp_path, folder, **settings):
    index = index_folders([folder])
    names = NameMap()
    names.merge({"Bladder": 1, "Rectum": 1})
    names.save(tmp_path / "names.csv")  # approved, as these are no real organs
    (tmp_path / "names.csv").write_text((tmp_path / "names.csv").read_text().replace("proposed", "approved"))
    names = NameMap.load(tmp_path / "names.csv")
    key = SiteKey.load_or_create(tmp_path / "key")
    build_dataset(index, BuildSettings(name="set", **settings), tmp_path / "out", key, names)
    return Dataset.open(tmp_path / "out")


def test_a_rebuild_keeps_versions_and_brings_them_to_the_new_grid(tmp_path):
    settings = {"structures": ["Bladder", "Rectum"], "processing": {"spacing_mm": (3.0, 3.0, 3.0)}}
    make_patient(tmp_path / "in", slices=9)
    case = build(tmp_path, tmp_path / "in", **settings).cases[0]
    add_version(case, {"Bladder": bladder(case)}, "physician", 9, approved=True)
    wanted, _ = read_structures(Dataset.open(tmp_path / "out").cases[0], ["Bladder"])

    again = build(tmp_path, tmp_path / "in", **settings).cases[0]  # nothing new
    assert again.version == 1
    (tmp_path / "in" / "slice008.dcm").unlink()  # the source changes, and with it the grid
    again = build(tmp_path, tmp_path / "in", **settings).cases[0]
    assert again.grid.size != case.grid.size
    assert (again.version, again.labelled) == (1, ["Bladder", "Rectum"])
    back, _ = read_structures(again, ["Bladder"])
    assert back.sum() == pytest.approx(wanted.sum(), rel=0.05)
    assert (
        nrrd.read_header(str(again.folder / "versions" / "0001" / "structures.seg.nrrd"))["Segment0_Name"] == "Bladder"
    )
    assert read_segmentation(structures_of(again).path).masks.shape[1:] == case.grid.size[::-1]
