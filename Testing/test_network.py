import pytest
import torch
from FedRTTrainLib.network import PRIOR, build_network, folded, head_rows, unfolded
from FedRTTrainLib.settings import SegResNet, UNet

SMALL = [
    UNet(channels=(8, 16), strides=(2,), num_res_units=1, features=8),
    UNet(channels=(8, 16, 16), strides=((1, 2, 2), 2), num_res_units=0, features=16, fold=(1, 2, 2), norm="group"),
    UNet(channels=(8, 16), strides=(2,), fold=(1, 1, 1), features=8),
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


@pytest.mark.parametrize("fold", [(1, 1, 1), (2, 2, 2), (1, 2, 4)])
def test_unfolding_undoes_folding(fold):
    image = torch.randn(2, 3, 4, 6, 8)
    blocks = folded(image, fold)
    a, b, c = fold
    assert blocks.shape == (2, 3 * a * b * c, 4 // a, 6 // b, 8 // c)
    assert torch.equal(unfolded(blocks, fold), image)
    assert torch.equal(blocks[0, : a * b * c, 0, 0, 0], image[0, 0, :a, :b, :c].flatten())  # a block's own voxels


def test_the_head_reads_each_voxel_of_a_block_with_its_own_weights():
    network = build_network(UNet(channels=(8, 16), strides=(2,), features=8, fold=(2, 2, 2)), 2)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.arange(16.0).reshape(2, 8))
        logits = network(torch.randn(1, 1, 8, 8, 8))
    assert logits[0, 1, :2, :2, :2].flatten().tolist() == list(range(8, 16))
    assert logits[0, 1, 2, 4, 6] == 8
