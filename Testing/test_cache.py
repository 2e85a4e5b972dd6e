import threading

import numpy as np
import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.storage.dataset import read_image, read_structures
from FedRTTrainLib.cache import cached_case, cached_cases, write_arrays
from tiny_dataset import ORGANS, write_tiny_dataset


@pytest.fixture
def dataset(tmp_path):
    return write_tiny_dataset(tmp_path / "d", organs=tuple(ORGANS), unlabelled={"c01": ("Rectum",)})


def test_the_cache_holds_the_image_within_one_step_of_its_numbers(dataset, tmp_path):
    import SimpleITK as sitk

    case = dataset.case("c00")
    truth = sitk.GetArrayFromImage(read_image(case))
    cached = cached_case(case, tmp_path / "cache")
    assert isinstance(cached.image, np.memmap)
    assert cached.image.dtype == np.int16
    assert cached.spacing_mm == dataset.processing.spacing_mm
    assert np.abs(cached.float_image() - truth).max() <= (truth.max() - truth.min()) / 65534


def test_the_cache_holds_every_structure_and_what_is_unlabelled(dataset, tmp_path):
    names = ("Rectum", "Prostate", "Heart", "Bladder", "Femur_Head_L")
    for case_id, known in [("c00", [True, True, False, True, True]), ("c01", [False, True, False, True, True])]:
        case = dataset.case(case_id)
        truth, labelled = read_structures(case, names)
        masks, found = cached_case(case, tmp_path / "cache").masks(names)
        assert found.tolist() == labelled.tolist() == known
        assert np.array_equal(masks, truth)


def test_more_structures_than_bits_in_a_byte(tmp_path):
    rng = np.random.default_rng(1)
    masks = (rng.random((11, 4, 5, 6)) > 0.5).astype(np.uint8)
    names = tuple(f"S{k}" for k in range(11))
    write_arrays(tmp_path / "key", "c", rng.random((4, 5, 6)), masks, names, (1.0, 1.0, 1.0))
    from FedRTTrainLib.cache import _open

    assert np.array_equal(_open("c", tmp_path / "key").masks(names)[0], masks)


def test_foreground_voxels_lie_inside_their_structure(dataset, tmp_path):
    cached = cached_case(dataset.case("c00"), tmp_path / "cache")
    for name in cached.structures:
        mask = cached.masks((name,))[0][0]
        assert len(cached.foreground[name]) > 0
        assert mask.reshape(-1)[cached.foreground[name]].all()


def test_a_second_opening_reads_the_same_files(dataset, tmp_path):
    cached_cases(dataset.cases, tmp_path / "cache")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    cached_cases(dataset.cases, tmp_path / "cache")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")} == before


def test_changed_content_gets_its_own_cache(dataset, tmp_path):
    case = dataset.case("c00")
    cached_case(case, tmp_path / "cache")
    cached_case(case.model_copy(update={"sha256": {**case.sha256, "image.nrrd": "1" * 64}}), tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_an_interrupted_build_is_not_taken_for_a_cache(dataset, tmp_path):
    case = dataset.case("c00")
    cached_case(case, tmp_path / "cache")
    folder = next((tmp_path / "cache").iterdir())
    folder.rename(tmp_path / "cache" / f".{folder.name}.x.partial")
    assert cached_case(case, tmp_path / "cache").image.shape == (16, 24, 24)
    assert folder.is_dir()


def test_two_builders_at_once_leave_one_good_cache(dataset, tmp_path):
    case = dataset.case("c00")
    threads = [threading.Thread(target=cached_case, args=(case, tmp_path / "cache")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name.startswith(".") for path in (tmp_path / "cache").iterdir()] == [False]
    assert cached_case(case, tmp_path / "cache").image.shape == (16, 24, 24)


def test_an_image_with_values_that_are_no_numbers_is_refused(tmp_path):
    image = np.zeros((4, 4, 4))
    image[1, 1, 1] = np.nan
    with pytest.raises(FedRTError, match="case c7"):
        write_arrays(tmp_path / "k", "c7", image, np.zeros((1, 4, 4, 4), np.uint8), ("Bladder",), (1, 1, 1))
    assert not (tmp_path / "k").exists()


def test_a_constant_image_is_kept(tmp_path):
    from FedRTTrainLib.cache import _open

    write_arrays(
        tmp_path / "k", "c", np.full((4, 4, 4), 7.5), np.zeros((1, 4, 4, 4), np.uint8), ("Bladder",), (1, 1, 1)
    )
    assert _open("c", tmp_path / "k").float_image() == pytest.approx(np.full((4, 4, 4), 7.5))
