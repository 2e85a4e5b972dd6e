import numpy as np
import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.preprocess import Processing
from FedRTDatasetLib.storage.dataset import read_image, read_structures
from FedRTTrainLib.evaluate import evaluate
from FedRTTrainLib.metrics import evaluate_case
from FedRTTrainLib.model import ModelCard
from FedRTTrainLib.predict import predict_masks
from FedRTTrainLib.training import train_steps
from small_training import small_settings, small_state
from tiny_dataset import write_tiny_dataset


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    cases = {"train": 2, "test": 3}
    first = write_tiny_dataset(folder / "a", cases=cases, unlabelled={"c03": ("Prostate",)})
    second = write_tiny_dataset(folder / "b", cases=cases, seed=1)
    state = small_state([first, second], folder, steps=30)
    train_steps(state, 30)
    card = ModelCard(
        network=small_settings().network, structures=state.structures, processing=state.processing, sha256="b" * 64
    )
    return state.network.eval(), card, [first, second]


def test_every_case_of_the_split_is_measured_and_averaged(trained):
    network, card, datasets = trained
    found = evaluate(network, card, datasets, "test")
    assert found.model == "b" * 64
    assert [list(part.cases) for part in found.datasets] == [["c02", "c03", "c04"]] * 2
    assert found.datasets[0].cases["c03"]["Prostate"].outcome == "unlabelled"
    assert found.scores.cases == 6
    assert found.scores.structures["Prostate"].cases == 5
    values = [case["Bladder"].dice for part in found.datasets for case in part.cases.values()]
    assert found.scores.structures["Bladder"].dice == pytest.approx(np.mean(values))
    assert found.scores.structures["Bladder"].dice > 0.5


def test_a_case_is_measured_as_by_hand(trained):
    import SimpleITK as sitk

    network, card, datasets = trained
    case = datasets[0].case("c02")
    prediction = predict_masks(network, sitk.GetArrayFromImage(read_image(case)), "whole")
    masks, labelled = read_structures(case, card.names)
    by_hand = evaluate_case(prediction, masks, labelled, card.names, case.grid.spacing_mm)
    assert evaluate(network, card, datasets, "test").datasets[0].cases["c02"] == by_hand


def test_a_split_without_cases_is_refused(trained):
    network, card, datasets = trained
    with pytest.raises(FedRTError, match="no case is in the validation split"):
        evaluate(network, card, datasets, "validation")


def test_a_dataset_processed_otherwise_is_refused(trained):
    network, card, datasets = trained
    other = card.model_copy(update={"processing": Processing(spacing_mm=(1, 1, 1), hu_window=(-100, 200))})
    with pytest.raises(FedRTError, match=r"\(hu_window, spacing_mm\)"):
        evaluate(network, other, datasets, "test")
