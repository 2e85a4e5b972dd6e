import numpy as np
import pytest
import torch
from FedRTDatasetLib.errors import FedRTError
from FedRTTrainLib.training import train_steps
from FedRTTrainLib.weights import get_weights, head_rows, set_weights
from small_training import small_state
from tiny_dataset import write_tiny_dataset


@pytest.fixture
def state(tmp_path):
    return small_state([write_tiny_dataset(tmp_path / "d")], tmp_path)


def test_weights_go_out_and_in_unchanged(state, tmp_path):
    train_steps(state, 2)
    weights = get_weights(state)
    train_steps(state, 1)
    assert any(not np.array_equal(weights[name], array) for name, array in get_weights(state).items())
    set_weights(state, weights)
    assert all(np.array_equal(weights[name], array) for name, array in get_weights(state).items())


def test_weights_are_copies(state):
    weights = get_weights(state)
    before = {name: array.copy() for name, array in weights.items()}
    train_steps(state, 1)
    assert all(np.array_equal(before[name], weights[name]) for name in weights)
    set_weights(state, weights)
    next(iter(weights.values()))[:] = 7
    assert float(next(iter(state.network.state_dict().values())).float().max()) < 7


def test_moments_and_step_stay_when_weights_are_set(state):
    train_steps(state, 2)
    moments = [kept["exp_avg"].clone() for kept in state.optimizer.state.values()]
    set_weights(state, {name: np.zeros_like(array) for name, array in get_weights(state).items()})
    kept = [kept["exp_avg"] for kept in state.optimizer.state.values()]
    assert all(torch.equal(a, b) for a, b in zip(moments, kept, strict=True))
    assert state.step == 2


def test_head_rows_have_one_row_a_structure(state):
    weights = get_weights(state)
    for name, axis in head_rows(state.network).items():
        assert weights[name].shape[axis] == len(state.structures)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda w: w.pop("head.bias"), "missing"),
        (lambda w: w.update(extra=np.zeros(1, np.float32)), "unknown"),
        (lambda w: w.update({"head.bias": np.zeros(3, np.float32)}), r"head\.bias is float32 \(3,\)"),
        (lambda w: w.update({"head.bias": np.zeros((2, 8))}), r"head\.bias is float64"),
        (lambda w: w.update({"head.bias": np.full((2, 8), np.nan, np.float32)}), "not numbers"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_nothing_changes(state, spoil, words):
    before = get_weights(state)
    weights = {name: array + np.ones((), array.dtype) for name, array in before.items()}
    spoil(weights)
    with pytest.raises(FedRTError, match=words):
        set_weights(state, weights)
    assert all(np.array_equal(before[name], array) for name, array in get_weights(state).items())
