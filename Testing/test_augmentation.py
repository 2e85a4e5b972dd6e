import numpy as np
import pytest
import torch
from FedRTTrainLib.augmentation import random_intensity, random_matrix, random_shift
from FedRTTrainLib.settings import Augmentation

SPACING = (1.0, 2.0, 5.0)
NONE = Augmentation(
    probability=1, rotate_degrees=(0, 0, 0), scale=0, translate_mm=0, intensity_shift=0, intensity_scale=0, gamma=0,
    noise=0, blur=0,
)  # fmt: skip


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def only(**strengths):
    return NONE.model_copy(update=strengths)


def in_mm(matrix):
    step = torch.tensor(SPACING[::-1], dtype=torch.float64)
    return (matrix * step[:, None] / step[None, :]).numpy()


def test_strength_zero_changes_nothing():
    image = torch.rand(6, 7, 8)
    assert torch.equal(random_matrix(NONE, SPACING, generator()), torch.eye(3, dtype=torch.float64))
    assert random_shift(NONE, SPACING, generator()) == (0, 0, 0)
    assert random_intensity(image, NONE, generator()).numpy() == pytest.approx(image.numpy(), abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_a_rotation_is_rigid_in_millimetres_and_within_its_limit(seed):
    matrix = in_mm(random_matrix(only(rotate_degrees=(0, 0, 10)), SPACING, generator(seed)))
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert matrix[0] == pytest.approx([1, 0, 0])  # about the patient's z axis: slices stay slices
    angle = np.degrees(np.arccos(matrix[1, 1]))
    assert 0 < angle <= 10


@pytest.mark.parametrize("seed", range(5))
def test_scaling_is_the_same_in_all_directions(seed):
    matrix = in_mm(random_matrix(only(scale=0.2), SPACING, generator(seed)))
    assert matrix == pytest.approx(matrix[0, 0] * np.eye(3), abs=1e-9)
    assert 1 / 1.2 <= matrix[0, 0] <= 1.2


def test_nothing_is_mirrored_unless_asked_for():
    strong = Augmentation(probability=1)
    assert all(torch.linalg.det(random_matrix(strong, SPACING, generator(k))) > 0 for k in range(30))
    mirrored = [
        torch.linalg.det(random_matrix(only(flip=(False, False, True)), SPACING, generator(k))) for k in range(30)
    ]
    assert 5 < sum(float(m) < 0 for m in mirrored) < 25


def test_translation_is_limited_in_millimetres():
    shifts = np.array([random_shift(only(translate_mm=12), SPACING, generator(k)) for k in range(40)])
    assert (np.abs(shifts * SPACING[::-1]) <= 12).all()
    assert (np.abs(shifts * SPACING[::-1]).max(0) > 6).all()


def test_shift_and_scale_are_linear_and_gamma_keeps_the_order():
    image = torch.rand(6, 7, 8)
    flat = image.flatten()
    changed = random_intensity(image, only(intensity_shift=0.5, intensity_scale=0.3), generator(3)).flatten()
    assert abs(np.corrcoef(flat, changed)[0, 1]) == pytest.approx(1, abs=1e-5)
    assert float((changed - flat).abs().max()) > 0.01
    bent = random_intensity(image, only(gamma=0.5), generator(3)).flatten()
    assert torch.equal(bent.argsort(), flat.argsort())
    assert float(bent.min()) == pytest.approx(float(flat.min()), abs=1e-5)
    assert float(bent.max()) == pytest.approx(float(flat.max()), abs=1e-4)


def test_noise_has_its_strength_and_blur_keeps_the_mean():
    image = torch.rand(20, 20, 20)
    noisy = random_intensity(image, only(noise=0.5), generator(1))
    assert 0 < float((noisy - image).std()) <= 0.5 * float(image.std()) * 1.05
    smooth = random_intensity(image, only(blur=0.8), generator(1))
    assert float(smooth.std()) < float(image.std())
    assert float(smooth.mean()) == pytest.approx(float(image.mean()), abs=0.01)


def test_a_constant_image_stays_finite():
    image = torch.full((6, 6, 6), 3.0)
    assert torch.isfinite(random_intensity(image, Augmentation(probability=1), generator())).all()


def test_the_same_generator_gives_the_same_change():
    image = torch.rand(6, 7, 8)
    strong = Augmentation(probability=1)
    assert torch.equal(random_intensity(image, strong, generator(4)), random_intensity(image, strong, generator(4)))
