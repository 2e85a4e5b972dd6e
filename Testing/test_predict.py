import numpy as np
import pytest
import torch
from FedRTTrainLib import predict
from FedRTTrainLib.network import build_network
from FedRTTrainLib.predict import predict_masks, predict_probabilities
from FedRTTrainLib.settings import UNet


class Pointwise(torch.nn.Module):
    """Logits that depend on each voxel alone, so that any way of cutting the image must give the same result."""

    def __init__(self):
        super().__init__()
        self.divisor = (4, 4, 4)
        self.structures = 2
        self.head = torch.nn.Conv3d(1, 2, 1)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([4.0, -4.0]).reshape(2, 1, 1, 1, 1))
            self.head.bias.copy_(torch.tensor([-2.0, 1.0]))

    def forward(self, image):
        return self.head(image)


@pytest.fixture
def image():
    return np.random.default_rng(0).random((19, 30, 22)).astype(np.float32)


def expected(image):
    return np.stack([1 / (1 + np.exp(2 - 4 * image)), 1 / (1 + np.exp(4 * image - 1))])


@pytest.mark.parametrize("patch", ["whole", (8, 16, 12), (20, 32, 24), (32, 32, 32), (8, 32, 8)])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.7])
def test_windows_cover_every_voxel_and_agree(image, patch, overlap):
    found = predict_probabilities(Pointwise(), image, patch, overlap)
    assert found.shape == (2, 19, 30, 22)
    assert found.dtype == np.float16
    assert found == pytest.approx(expected(image), abs=2e-3)


def test_an_image_too_large_for_one_piece_is_run_in_windows(image, monkeypatch):
    monkeypatch.setattr(predict, "WHOLE_VOXELS", 2000)
    assert predict_probabilities(Pointwise(), image, "whole") == pytest.approx(expected(image), abs=2e-3)


def test_masks_are_where_the_probability_reaches_one_half(image):
    masks = predict_masks(Pointwise(), image, "whole")
    assert masks.dtype == np.uint8
    clear = np.abs(image - 0.5) > 1e-3  # probabilities are float16
    assert np.array_equal(masks[0][clear], (image >= 0.5)[clear])


def test_a_real_network_on_an_odd_size(image):
    network = build_network(UNet(channels=(8, 16, 16), strides=(2, 2), num_res_units=1), 3)
    whole = predict_probabilities(network, image, "whole")
    assert whole.shape == (3, 19, 30, 22)
    windows = predict_probabilities(network, image, (16, 16, 16))
    assert np.isfinite(windows).all()
    assert not network.training
