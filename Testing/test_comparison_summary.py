"""The figures of a comparison, counted by hand."""

import json

import pytest
from FedRTInferenceLib.comparison_summary import summarise


def evaluation(cases: dict[str, list[dict[str, float | None]]]) -> dict:
    """Evaluation file content: dataset -> cases -> structure -> Dice (None: unlabelled there)."""
    return {
        "datasets": [
            {
                "dataset": hospital,
                "cases": {
                    str(n): {name: {"dice": dice} for name, dice in case.items()} for n, case in enumerate(found)
                },
            }
            for hospital, found in cases.items()
        ]
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "steps").mkdir()
    files = {
        "pooled": {"a": [{"X": 0.9, "Y": 0.5}, {"X": 0.7, "Y": None}], "b": [{"X": None, "Y": 0.7}]},
        "federated": {"a": [{"X": 0.8, "Y": 0.4}, {"X": 0.6, "Y": None}], "b": [{"X": None, "Y": 0.6}]},
        "local_a": {"a": [{"X": 0.8, "Y": 0.4}, {"X": 0.6, "Y": None}], "b": [{"X": None, "Y": 0.2}]},
        "local_b": {"a": [{"Y": 0.3}, {"Y": None}], "b": [{"Y": 0.5}]},  # hospital b never contoured X
    }
    for name, cases in files.items():
        (tmp_path / "evaluation" / f"{name}.json").write_text(json.dumps(evaluation(cases)))
    (tmp_path / "steps" / "training.json").write_text('{"seconds": 3.5}')
    for hospital in "ab":
        case = tmp_path / "contours" / hospital / "P1-1"
        case.mkdir(parents=True)
        (case / "RTSTRUCT.dcm").touch()
        (case / "structures.seg.nrrd").touch()
    return tmp_path


def test_means_over_structures_and_unseen_patients(folder):
    summary = summarise(folder, ["a", "b"], ("X", "Y"))
    assert summary["dice"]["pooled"] == pytest.approx((0.8 + 0.6) / 2)
    assert summary["dice"]["federated"] == pytest.approx((0.7 + 0.5) / 2)
    assert summary["dice"]["local"]["a"] == pytest.approx((0.7 + 0.3) / 2)
    assert summary["by_hospital"]["pooled"] == {"a": pytest.approx((0.8 + 0.5) / 2), "b": pytest.approx(0.7)}
    assert summary["unseen_patients"] == {"a": 2, "b": 1}
    assert summary["seconds"] == {"training": 3.5}


def test_a_structure_never_taught_counts_zero_and_is_told_apart(folder):
    summary = summarise(folder, ["a", "b"], ("X", "Y"))
    assert summary["by_structure"]["local b"] == {"X": 0.0, "Y": pytest.approx(0.4)}
    assert summary["dice"]["local"]["b"] == pytest.approx(0.2)
    assert summary["dice_of_taught_structures"]["local"]["b"] == pytest.approx(0.4)
    assert summary["dice_of_taught_structures"]["pooled"] == summary["dice"]["pooled"]


def test_outputs_are_relative_to_the_folder(folder):
    outputs = summarise(folder, ["a", "b"], ("X", "Y"))["outputs"]
    assert outputs["rtstruct"] == ["contours/a/P1-1/RTSTRUCT.dcm", "contours/b/P1-1/RTSTRUCT.dcm"]
    assert len(outputs["segmentation"]) == 2
