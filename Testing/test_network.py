import pytest
import torch
from FedRTTrainLib.network import PRIOR, build_network, head_rows
from FedRTTrainLib.settings import SegResNet, UNet

SMALL = [
    UNet(channels=(8, 16), strides=(2,), num_res_units=1),
    UNet(channels=(8, 16, 16), strides=((1, 2, 2), 2), num_res_units=0, norm="group"),
    SegResNet(init_filters=8, blocks_down=(1, 1), blocks_up=(1,)),
]


@pytest.mark.parametrize("settings", SMALL)
def test_it_gives_a_logit_for_each_structure_at_each_voxel(settings):
    network = build_network(settings, 3)
    size = [4 * d for d in network.divisor]
    assert network(torch.randn(2, 1, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize("settings", SMALL)
def test_it_starts_with_a_low_probability_everywhere(settings):
    network = build_network(settings, 3)
    size = [4 * d for d in network.divisor]
    with torch.no_grad():
        assert float(network(torch.randn(1, 1, *size)).sigmoid().mean()) == pytest.approx(PRIOR, abs=0.04)


@pytest.mark.parametrize("settings", SMALL)
def test_head_rows_are_all_that_depends_on_a_structure(settings):
    network = build_network(settings, 3)
    rows = head_rows(network)
    assert {name: network.state_dict()[name].shape[axis] for name, axis in rows.items()} == dict.fromkeys(rows, 3)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    other = {name: tensor.shape for name, tensor in build_network(settings, 5).state_dict().items()}
    assert {name for name in shapes if shapes[name] != other[name]} == set(rows)


def test_changing_one_row_changes_one_structure_only():
    network = build_network(SMALL[0], 3).eval()
    image = torch.randn(1, 1, 8, 8, 8)
    with torch.no_grad():
        before = network(image)
        for name, axis in head_rows(network).items():
            network.get_parameter(name).select(axis, 1).add_(0.5)
        after = network(image)
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert not torch.allclose(before[:, 1], after[:, 1])
