import dataclasses

import numpy as np
import pytest
import torch
from FedRTDatasetLib.errors import FedRTError
from FedRTTrainLib import sampling
from FedRTTrainLib.augmentation import Placement
from FedRTTrainLib.cache import cached_cases
from FedRTTrainLib.sampling import check_size, cut, draw_batch, patch_size
from FedRTTrainLib.settings import Augmentation, TrainSettings
from tiny_dataset import ORGANS, write_tiny_dataset

CPU = torch.device("cpu")
STILL = Augmentation(probability=0)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampling")
    dataset = write_tiny_dataset(
        folder / "d", organs=tuple(ORGANS), cases={"train": 4}, shape=(18, 24, 28), unlabelled={"c02": ("Rectum",)}
    )
    return cached_cases(dataset.cases, folder / "cache")


def same(first, second):
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in ("image", "target", "labelled"))


def test_without_augmentation_a_whole_image_comes_out_as_it_is(cases):
    settings = TrainSettings(augmentation=STILL, patch_size="whole", batch_size=1)
    names = ("Bladder", "Rectum", "Heart")
    seen = set()
    for step in range(4):
        batch = draw_batch(cases, names, settings, step, CPU)
        assert batch.image.shape == (1, 1, 24, 24, 32)  # multiples of 8
        image, target = batch.image[0, 0, 3:21, :, 2:30].numpy(), batch.target[0, :, 3:21, :, 2:30].numpy()
        match = [case for case in cases if np.allclose(case.float_image(), image, atol=1e-4)]
        assert len(match) == 1
        masks, labelled = match[0].masks(names)
        assert np.array_equal(masks.astype(bool), target)
        assert batch.labelled[0].tolist() == labelled.tolist()
        seen.add(match[0].id)
    assert seen == {"c00", "c01", "c02", "c03"}  # every case once an epoch


def test_beyond_the_image_its_edge_is_repeated(cases):
    batch = draw_batch(cases, ("Bladder",), TrainSettings(augmentation=STILL, patch_size="whole", batch_size=1), 0, CPU)
    image = batch.image[0, 0]
    assert torch.equal(image[0], image[3])
    assert torch.equal(image[-1], image[-4])
    assert torch.equal(image[:, :, 0], image[:, :, 2])


def test_a_step_always_gets_the_same_batch_and_another_step_or_seed_another(cases):
    settings = TrainSettings(batch_size=2, patch_size=(16, 16, 16))
    names = ("Bladder", "Rectum")
    assert same(draw_batch(cases, names, settings, 5, CPU), draw_batch(cases, names, settings, 5, CPU))
    assert not same(draw_batch(cases, names, settings, 5, CPU), draw_batch(cases, names, settings, 6, CPU))
    reseeded = settings.model_copy(update={"seed": 1})
    assert not same(draw_batch(cases, names, settings, 5, CPU), draw_batch(cases, names, reseeded, 5, CPU))


def test_patches_are_exact_copies_and_centred_on_structures_as_often_as_asked(cases):
    names = ("Prostate",)
    for fraction, expected in [(1.0, True), (0.0, False)]:
        settings = TrainSettings(augmentation=STILL, patch_size=(8, 8, 16), batch_size=1, foreground_fraction=fraction)
        hits = []
        for step in range(24):
            batch = draw_batch(cases, names, settings, step, CPU)
            hits.append(bool(batch.target[0, 0, 3:5, 3:5, 7:9].any()))
            windows = [
                np.lib.stride_tricks.sliding_window_view(case.float_image(), (8, 8, 16))[..., 0, 0, 0] for case in cases
            ]
            corner = float(batch.image[0, 0, 0, 0, 0])
            assert min(np.abs(window - corner).min() for window in windows) < 1e-5
        assert all(hits) if expected else not all(hits)


def test_cutting_with_a_shift_equals_slicing(cases):
    case = cases[0]
    image, planes = cut(case, Placement((8.5, 10.5, 12.5), torch.eye(3, dtype=torch.float64)), (4, 6, 8), CPU)
    part = (slice(7, 11), slice(8, 14), slice(9, 17))
    assert image.numpy() == pytest.approx(case.float_image()[part], abs=1e-5)
    assert np.array_equal(planes[0].numpy(), case.labels[0][part])


def test_image_and_structures_move_together(cases):
    """A turned patch of an image that is its own mask: the interpolated image is about one half where the label turns."""
    case = cases[0]
    angle = np.radians(20)
    turn = torch.tensor([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    mask = case.masks(("Bladder",))[0][0]
    twin = dataclasses.replace(case, image=mask.astype(np.int16) * 1000, scale=1e-3, offset=0.0)
    image, planes = cut(twin, Placement((8.5, 11.5, 13.5), turn), (16, 24, 28), CPU)
    bit = case.structures.index("Bladder")
    label = (planes[0] >> bit) & 1
    agree = (image > 0.5) == label.bool()
    assert label.sum() > 200
    assert agree.float().mean() > 0.98
    overlap = 2 * ((image > 0.5) & label.bool()).sum() / ((image > 0.5).sum() + label.sum())
    assert overlap > 0.9


def test_whole_takes_the_smallest_size_that_holds_all_images_and_suits_the_network():
    assert patch_size(TrainSettings(patch_size="whole"), [(40, 48, 64), (41, 40, 60)]) == (48, 48, 64)
    assert patch_size(TrainSettings(patch_size=(16, 24, 32)), [(40, 48, 64)]) == (16, 24, 32)


def test_whole_images_too_large_for_memory_are_refused_before_training(cases, monkeypatch):
    check_size(TrainSettings(patch_size="whole"), cases)
    monkeypatch.setattr(sampling, "WHOLE_VOXELS", 10_000)
    with pytest.raises(FedRTError, match=r"set a smaller patch_size"):
        check_size(TrainSettings(patch_size="whole"), cases)
    check_size(TrainSettings(patch_size=(32, 64, 64)), cases)
