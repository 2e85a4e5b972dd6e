import math

import pytest
import torch
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.naming.structures import Structure
from FedRTDatasetLib.reporting import Reporter
from FedRTTrainLib.training import new_state, train_steps
from small_training import small_settings, small_state
from tiny_dataset import write_tiny_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_tiny_dataset(tmp_path_factory.mktemp("training") / "d")


def weights(state):
    return torch.cat([tensor.flatten().float() for tensor in state.network.state_dict().values()])


def test_training_learns(dataset, tmp_path):
    state = small_state([dataset], tmp_path, steps=80)
    first = train_steps(state, 10)
    train_steps(state, 60)
    last = train_steps(state, 10)
    assert last.loss < 0.5 * first.loss
    assert last.dice["Bladder"] > 0.6 > first.dice["Bladder"]
    assert state.step == 80


def test_the_same_seed_gives_the_same_weights_whatever_else_runs(dataset, tmp_path):
    first, second = (small_state([dataset], tmp_path) for _ in range(2))
    train_steps(first, 4)
    for _ in range(4):  # in another rhythm, with strangers drawing from torch's global numbers
        torch.randn(3)
        train_steps(second, 1)
    assert torch.equal(weights(first), weights(second))
    other = small_state([dataset], tmp_path, seed=1)
    train_steps(other, 4)
    assert not torch.equal(weights(first), weights(other))


def test_training_leaves_the_global_random_numbers_alone(dataset, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train_steps(small_state([dataset], tmp_path), 1)
    assert torch.equal(torch.rand(1), expected)


def test_a_structure_no_case_is_contoured_for_keeps_its_head_and_does_not_touch_the_others(dataset, tmp_path):
    structures = (Structure(name="Bladder"), Structure(name="Heart"), Structure(name="Prostate"))
    settings = small_settings(optimizer={"weight_decay": 0.0})
    state = new_state(settings, [dataset], structures, tmp_path / "cache")
    before = state.network.head.weight[1].clone()
    summary = train_steps(state, 3)
    assert torch.equal(state.network.head.weight[1], before)
    assert set(summary.dice) == {"Bladder", "Prostate"}
    assert state.labelled_cases() == {"Bladder": 3, "Heart": 0, "Prostate": 3}


def test_datasets_with_different_organs_train_one_model(tmp_path):
    first = write_tiny_dataset(tmp_path / "a", organs=("Bladder",))
    second = write_tiny_dataset(tmp_path / "b", organs=("Prostate", "Rectum"), seed=1)
    state = small_state([first, second], tmp_path)
    assert state.names == ("Bladder", "Prostate", "Rectum")
    assert len(state.cases) == 6
    assert set(train_steps(state, 6).dice) == {"Bladder", "Prostate", "Rectum"}


def test_a_structure_only_unseen_cases_are_contoured_for_is_not_part_of_the_model(tmp_path):
    first = write_tiny_dataset(tmp_path / "a", organs=("Bladder", "Prostate"), cases={"train": 2, "validation": 1})
    names = {case.id: ("Prostate",) for case in first.split("train")}
    second = write_tiny_dataset(
        tmp_path / "b", organs=("Bladder", "Prostate"), cases={"train": 2, "validation": 1}, unlabelled=names
    )
    assert second.labelled_cases("train") == {"Bladder": 2, "Prostate": 0}
    assert small_state([second], tmp_path).names == ("Bladder",)
    assert small_state([first, second], tmp_path).names == ("Bladder", "Prostate")


def test_bf16_gives_finite_weights(dataset, tmp_path):
    state = small_state([dataset], tmp_path, precision="bf16")
    assert math.isfinite(train_steps(state, 2).loss)
    assert torch.isfinite(weights(state)).all()


def test_a_request_to_stop_ends_after_the_step(dataset, tmp_path):
    state = small_state([dataset], tmp_path)
    summary = train_steps(state, 10, stop=lambda: state.step >= 2)
    assert state.step == summary.steps == 2


def test_progress_is_told(dataset, tmp_path):
    told = []

    class Listener(Reporter):
        def event(self, name, **fields):
            told.append((fields["stage"], fields["done"], fields["of"]))

    state = small_state([dataset], tmp_path)
    train_steps(state, 2, Listener())
    assert told[-1] == ("training", 2, 12)


def test_a_loss_that_explodes_is_an_error_that_names_the_remedy(dataset, tmp_path):
    state = small_state([dataset], tmp_path)
    with torch.no_grad():
        state.network.head.weight.fill_(float("nan"))
    with pytest.raises(FedRTError, match="learning_rate"):
        train_steps(state, 1)


def test_datasets_processed_differently_are_refused(dataset, tmp_path):
    other = write_tiny_dataset(tmp_path / "b", spacing_mm=(3.0, 3.0, 5.0))
    with pytest.raises(FedRTError, match=r"processed differently \(spacing_mm\)"):
        small_state([dataset, other], tmp_path)


def test_no_labelled_case_is_refused(dataset, tmp_path):
    with pytest.raises(FedRTError, match="no training case is contoured for any of Heart"):
        new_state(small_settings(), [dataset], (Structure(name="Heart"),), tmp_path / "cache")
