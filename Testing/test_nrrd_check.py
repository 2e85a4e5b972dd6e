"""Every file that our writers or SimpleITK write is whole; every way to spoil it is noticed."""

import re

import numpy as np
import pytest
import SimpleITK as sitk
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.naming.structures import Structure
from FedRTDatasetLib.storage.nrrd_check import check_nrrd
from FedRTDatasetLib.storage.segmentation import write_segmentation


@pytest.fixture
def file(tmp_path):
    masks = np.random.default_rng(0).integers(0, 2, (2, 6, 7, 8)).astype(np.uint8)
    write_segmentation(
        tmp_path / "s.seg.nrrd", masks, [Structure(name="A"), Structure(name="B")], sitk.Image(8, 7, 6, 1)
    )
    return tmp_path / "s.seg.nrrd"


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", [sitk.sitkUInt8, sitk.sitkInt16, sitk.sitkInt32, sitk.sitkFloat32, sitk.sitkFloat64])
def test_images_of_simpleitk_are_whole(tmp_path, kind, compressed):
    image = sitk.Image(9, 8, 7, kind) + 3
    sitk.WriteImage(image, str(tmp_path / "image.nrrd"), compressed)
    check_nrrd(tmp_path / "image.nrrd")


def test_our_segmentations_are_whole(file):
    check_nrrd(file)


@pytest.mark.parametrize("kept", [0, 3, 40, 600, -200, -20, -1])
def test_a_file_cut_anywhere_is_damaged(file, kept):
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(FedRTError, match=r"s\.seg\.nrrd cannot be read"):
        check_nrrd(file)


def test_one_changed_byte_of_the_voxels_is_damage(file):
    content = bytearray(file.read_bytes())
    content[-30] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(FedRTError, match="damaged"):
        check_nrrd(file)


def test_a_header_that_promises_more_is_damage(file):
    file.write_bytes(re.sub(rb"sizes: 2 8 7 6", b"sizes: 2 8 7 7", file.read_bytes()))
    with pytest.raises(FedRTError, match="damaged"):
        check_nrrd(file)


def test_other_files_and_missing_ones_are_told_apart(tmp_path):
    (tmp_path / "text.nrrd").write_text("hello")
    with pytest.raises(FedRTError, match="damaged"):
        check_nrrd(tmp_path / "text.nrrd")
    with pytest.raises(FedRTError, match="does not exist"):
        check_nrrd(tmp_path / "gone.nrrd")
