"""`.seg.nrrd` as written and as Slicer writes it."""

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.naming.structures import Structure
from FedRTDatasetLib.storage.segmentation import read_segmentation, terminology_entry, write_segmentation

BLADDER = Structure(name="Bladder", snomed=("89837001", "Bladder"), color=(222, 154, 132))
FEMUR = Structure(
    name="Femur_Head_L", snomed=("71341001", "Femur"), laterality=("7771000", "Left"), color=(255, 238, 170)
)
OTHER = Structure(name="CTV")


def oblique_reference(shape=(7, 6, 5)):
    image = sitk.Image([int(n) for n in shape[::-1]], sitk.sitkUInt8)
    image.SetSpacing((1.5, 2.0, 3.25))
    image.SetOrigin((10.0, -20.5, 30.0))
    image.SetDirection((0.8, -0.36, 0.48, 0.6, 0.48, -0.64, 0.0, 0.8, 0.6))
    return image


def test_overlapping_structures_and_geometry_come_back(tmp_path):
    reference = oblique_reference()
    masks = (np.random.default_rng(0).random((3, 7, 6, 5)) > 0.4).astype(np.uint8)
    assert (masks[0] & masks[1]).any()
    write_segmentation(tmp_path / "x.seg.nrrd", masks, [BLADDER, FEMUR, OTHER], reference)
    back = read_segmentation(tmp_path / "x.seg.nrrd")
    assert np.array_equal(back.masks, masks)
    assert back.names == ["Bladder", "Femur_Head_L", "CTV"]
    for name in ("GetSpacing", "GetOrigin", "GetDirection", "GetSize"):
        assert getattr(back.reference, name)() == pytest.approx(getattr(reference, name)())


def test_header_says_what_slicer_reads(tmp_path):
    write_segmentation(
        tmp_path / "x.seg.nrrd", np.ones((2, 7, 6, 5), np.uint8), [BLADDER, FEMUR], oblique_reference(),
        status="inprogress", tags={"FedRT.Model": "abc"},
    )  # fmt: skip
    header = nrrd.read_header(str(tmp_path / "x.seg.nrrd"))
    assert header["space"] == "left-posterior-superior"
    assert list(header["kinds"]) == ["list", "domain", "domain", "domain"]
    assert header["Segment1_Layer"] == "1"
    assert header["Segment1_LabelValue"] == "1"
    assert header["Segment0_Color"].split() == [f"{v / 255:.6f}" for v in BLADDER.color]
    assert "Segmentation.Status:inprogress|" in header["Segment0_Tags"]
    assert "FedRT.Model:abc|" in header["Segment0_Tags"]
    assert "SCT^71341001^Femur~SCT^7771000^Left~" in header["Segment1_Tags"]


def test_terminology_without_a_code_is_tissue():
    assert "SCT^85756007^Tissue~SCT^85756007^Tissue" in terminology_entry(OTHER)


def test_segments_that_share_a_layer_as_slicer_saves_them(tmp_path):
    labels = np.zeros((5, 6, 7), np.uint8)  # x y z
    labels[1:3, 1:3, 1:3], labels[3:5, 3:5, 3:5] = 1, 2
    header = {
        "space": "right-anterior-superior", "space directions": np.diag([-2.0, -2.0, 3.0]), "space origin": [5.0, 6.0, 7.0],
        "kinds": ["domain"] * 3,
        "Segment0_ID": "a", "Segment0_Name": "Bladder", "Segment0_Layer": "0", "Segment0_LabelValue": "1",
        "Segment1_ID": "b", "Segment1_Name": "Rectum", "Segment1_Layer": "0", "Segment1_LabelValue": "2",
    }  # fmt: skip
    nrrd.write(str(tmp_path / "s.seg.nrrd"), labels, header, index_order="F")
    back = read_segmentation(tmp_path / "s.seg.nrrd")
    assert back.masks.sum(axis=(1, 2, 3)).tolist() == [8, 8]
    assert back.masks[1, 3, 3, 3] == 1
    assert back.reference.GetOrigin() == (-5.0, -6.0, 7.0)
    assert back.reference.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_damaged_or_foreign_files(tmp_path):
    (tmp_path / "x.seg.nrrd").write_bytes(b"NRRD0005\nnonsense")
    with pytest.raises(FedRTError, match=r"x\.seg\.nrrd cannot be read as a segmentation"):
        read_segmentation(tmp_path / "x.seg.nrrd")
    nrrd.write(str(tmp_path / "v.nrrd"), np.zeros((3, 3, 3)))
    with pytest.raises(FedRTError, match=r"v\.nrrd holds no segments"):
        read_segmentation(tmp_path / "v.nrrd")
