import pytest
import torch
from FedRTTrainLib.losses import masked_loss
from FedRTTrainLib.settings import Loss


@pytest.fixture
def batch():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, 6, requires_grad=True)
    target = torch.rand(2, 3, 4, 5, 6) > 0.7
    return logits, target


def test_an_unlabelled_channel_has_exactly_no_gradient(batch):
    logits, target = batch
    labelled = torch.tensor([[True, False, True], [True, True, False]])
    masked_loss(logits, target, labelled, Loss())[0].backward()
    for case, structure in [(0, 1), (1, 2)]:
        assert torch.count_nonzero(logits.grad[case, structure]) == 0
    for case, structure in [(0, 0), (0, 2), (1, 0), (1, 1)]:
        assert torch.count_nonzero(logits.grad[case, structure]) > 0


def test_what_stands_in_an_unlabelled_channel_does_not_matter(batch):
    logits, target = batch
    labelled = torch.tensor([[True, False, True], [True, True, False]])
    before = masked_loss(logits, target, labelled, Loss())[0]
    changed = target.clone()
    changed[0, 1] = ~changed[0, 1]
    spoiled = logits.detach().clone()
    spoiled[1, 2] = float("inf")
    assert masked_loss(spoiled, changed, labelled, Loss())[0] == before


def test_loss_equals_its_definition(batch):
    logits, target = batch
    labelled = torch.ones(2, 3, dtype=torch.bool)
    loss, dice = masked_loss(logits, target, labelled, Loss(dice=2.0, bce=0.5))
    truth, probability = target.float(), logits.detach().sigmoid()
    cross = -(truth * probability.log() + (1 - truth) * (1 - probability).log()).mean()
    axes = (0, 2, 3, 4)
    expected = 2 * (truth * probability).sum(axes) / (truth.sum(axes) + probability.sum(axes))
    assert dice == pytest.approx(expected, abs=1e-4)
    assert float(loss.detach()) == pytest.approx(float(2.0 * (1 - expected.mean()) + 0.5 * cross), abs=1e-4)


def test_a_perfect_prediction_costs_nothing():
    target = torch.zeros(1, 1, 4, 4, 4, dtype=torch.bool)
    target[..., :2] = True
    loss, dice = masked_loss((target.float() - 0.5) * 60, target, torch.ones(1, 1, dtype=torch.bool), Loss())
    assert float(loss) == pytest.approx(0, abs=1e-5)
    assert float(dice[0]) == pytest.approx(1, abs=1e-5)


def test_a_batch_without_any_label_gives_zero_and_no_gradient(batch):
    logits, target = batch
    loss, dice = masked_loss(logits, target, torch.zeros(2, 3, dtype=torch.bool), Loss())
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.isnan(dice).all()
    assert torch.count_nonzero(logits.grad) == 0
