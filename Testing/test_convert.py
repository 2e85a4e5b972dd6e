"""`fedrt rtstruct to-seg` and `from-seg`."""

import numpy as np
import pytest
from dicom_maker import ORIENTATIONS, make_patient
from FedRTDatasetLib.commandline import main
from FedRTDatasetLib.convert import rtstruct_to_segmentation, segmentation_to_rtstruct
from FedRTDatasetLib.dicom_index import index_folders
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.segmentation import read_segmentation


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS.keys())
def test_there_and_back_and_there_again(tmp_path, orientation):
    make_patient(tmp_path / "in", orientation=orientation)
    rtstruct_to_segmentation(tmp_path / "in", tmp_path / "in" / "structures.dcm", tmp_path / "a.seg.nrrd")
    first = read_segmentation(tmp_path / "a.seg.nrrd")
    assert first.names == ["Bladder", "Rectum"]
    assert first.masks.any(axis=(1, 2, 3)).all()
    (tmp_path / "in" / "structures.dcm").unlink()
    segmentation_to_rtstruct(tmp_path / "a.seg.nrrd", tmp_path / "in", tmp_path / "back.dcm")
    assert len(index_folders([tmp_path / "in", tmp_path / "back.dcm"]).links) == 1
    rtstruct_to_segmentation(tmp_path / "in", tmp_path / "back.dcm", tmp_path / "b.seg.nrrd")
    assert np.array_equal(read_segmentation(tmp_path / "b.seg.nrrd").masks, first.masks)


def test_structure_set_of_other_images_is_refused(tmp_path):
    make_patient(tmp_path / "a", "one")
    make_patient(tmp_path / "b", "two")
    for file in (tmp_path / "b").glob("slice*"):
        file.rename(file.with_suffix(".away"))
    with pytest.raises(FedRTError, match=r"structures\.dcm does not belong to the images"):
        rtstruct_to_segmentation(tmp_path / "a", tmp_path / "b" / "structures.dcm", tmp_path / "x.seg.nrrd")
    assert not (tmp_path / "x.seg.nrrd").exists()


def test_segmentation_on_another_grid_is_refused(tmp_path):
    make_patient(tmp_path / "a")
    make_patient(tmp_path / "b", spacing=(1.0, 1.0))
    (tmp_path / "b" / "structures.dcm").rename(tmp_path / "b.dcm")
    rtstruct_to_segmentation(tmp_path / "a", tmp_path / "a" / "structures.dcm", tmp_path / "a.seg.nrrd")
    with pytest.raises(FedRTError, match="is not on the grid of the images"):
        segmentation_to_rtstruct(tmp_path / "a.seg.nrrd", tmp_path / "b", tmp_path / "x.dcm")


def test_two_series_in_the_reference_folder(tmp_path):
    make_patient(tmp_path / "in" / "a", "one")
    make_patient(tmp_path / "in" / "b", "two")
    with pytest.raises(FedRTError, match="holds 2 image series"):
        segmentation_to_rtstruct(tmp_path / "x.seg.nrrd", tmp_path / "in", tmp_path / "x.dcm")


def test_commands(tmp_path, capsys):
    make_patient(tmp_path / "in")
    arguments = ["rtstruct", "to-seg", str(tmp_path / "in"), str(tmp_path / "in" / "structures.dcm")]
    assert main([*arguments, "--out", str(tmp_path / "a.seg.nrrd"), "--progress", "none"]) == 0
    reference = ["--reference", str(tmp_path / "in"), "--out", str(tmp_path / "b.dcm"), "--progress", "none"]
    assert main(["rtstruct", "from-seg", str(tmp_path / "a.seg.nrrd"), *reference]) == 0
    assert (tmp_path / "b.dcm").stat().st_size > 1000
    assert main(["rtstruct", "from-seg", str(tmp_path / "none.seg.nrrd"), *reference]) == 1
    assert "none.seg.nrrd cannot be read" in capsys.readouterr().err
