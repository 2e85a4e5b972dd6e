"""`fedrt train` and `fedrt evaluate` from end to end, as commands."""

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from FedRTDatasetLib.naming.structures import Structure
from FedRTDatasetLib.reporting import Reporter
from FedRTTrainLib.local import train_locally
from FedRTTrainLib.model import load_card, load_model
from small_training import small_settings
from tiny_dataset import write_tiny_dataset

CONFIG = """
steps = 24
validation_every = 8
precision = "fp32"
threads = 1
patch_size = "whole"
[network]
name = "UNet"
channels = [8, 16]
strides = [2]
num_res_units = 1
features = 8
[optimizer]
learning_rate = 0.01
"""
FEDRT = [sys.executable, "-m", "FedRTTrainLib"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    write_tiny_dataset(folder / "a")
    write_tiny_dataset(folder / "b", organs=("Bladder", "Rectum"), seed=1)
    (folder / "config.toml").write_text(CONFIG)
    return folder


def fedrt(folder, *arguments, code=0):
    done = subprocess.run([*FEDRT, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def same_weights(first, second):
    pairs = zip(load_model(first)[0].state_dict().values(), load_model(second)[0].state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def trained(folder):
    done = fedrt(folder, "train", "a", "b", "--config", "config.toml", "--out", "model", "--progress", "json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_train_writes_the_model_with_its_scores(folder, trained):
    network, card = load_model(folder / "model")
    assert card.names == ("Bladder", "Prostate", "Rectum")
    assert network.structures == 3
    assert card.training.steps == 24
    assert card.training.labelled_cases == {"Bladder": 6, "Prostate": 3, "Rectum": 3}
    assert set(card.metrics) == {"train", "validation", "test"}
    assert card.metrics["test"].cases == 2
    assert card.metrics["test"].structures["Rectum"].cases == 1


def test_train_writes_curves_and_events(folder, trained):
    curves = rows(folder / "model.work" / "curves.csv")
    assert [int(row["step"]) for row in curves] == [8, 16, 24]
    for split in ("train", "validation"):
        for column in ("loss", "dice", "hd95_mm", "dice:Bladder", "hd95_mm:Rectum"):
            assert np.isfinite(float(curves[-1][f"{split}_{column}"]))
    assert float(curves[-1]["train_patch_loss"]) < float(curves[0]["train_patch_loss"])
    events = [json.loads(line) for line in (folder / "model.work" / "events.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["started", *["validation"] * 3, "test"]


def test_train_tells_its_progress_as_json(trained):
    progress = [event for event in trained if event["event"] == "progress"]
    assert {"preparing cases", "training", "evaluating"} <= {event["stage"] for event in progress}
    assert [event["done"] for event in progress if event["stage"] == "training"][-1] == 24
    assert sum(event["event"] == "validation" for event in trained) == 3


def test_a_finished_training_is_left_as_it_is(folder, trained):
    before = (folder / "model" / "model.json").read_bytes()
    done = fedrt(folder, "train", "a", "b", "--config", "config.toml", "--out", "model")
    assert "already trained" in done.stderr
    assert (folder / "model" / "model.json").read_bytes() == before


def test_evaluate_writes_what_the_training_found(folder, trained):
    done = fedrt(folder, "evaluate", "model", "a", "b", "--split", "test", "--out", "scores.json", "--json")
    scores = json.loads((folder / "scores.json").read_text())
    assert json.loads(done.stdout) == scores
    card = load_card(folder / "model")
    assert scores["scores"] == card.metrics["test"].model_dump(mode="json")
    assert scores["scores"]["structures"].keys() == {"Bladder", "Prostate", "Rectum"}
    assert [part["dataset"] for part in scores["datasets"]] == ["a", "b"]


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_stopped_by_a_signal_it_resumes_to_the_same_weights(folder, trained):
    out = "stopped"
    command = ["train", "a", "b", "--config", "config.toml", "--out", out, "--progress", "json"]
    process = subprocess.Popen(
        [*FEDRT, *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "validation" and event["step"] == 8:
            break
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate()
    assert process.returncode == 130
    assert "start the same command again" in error
    assert len(list((folder / f"{out}.work" / "checkpoint").glob("step-*"))) == 1
    assert not (folder / out).exists()
    fedrt(folder, *command)
    assert same_weights(folder / out, folder / "model")
    assert [int(row["step"]) for row in rows(folder / f"{out}.work" / "curves.csv")] == [8, 16, 24]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "nowhere", "--out", "x"], "nowhere"),
        (["train", "a", "--config", "nosuch", "--out", "x"], "quick"),
        (["train", "a", "--out", "a"], "is no model"),
        (["train", "a", "--structures", "Heart", "--out", "x"], "Heart"),
        (["evaluate", "a", "a"], "model.json"),
    ],
)
def test_mistakes_are_told_in_one_line(folder, arguments, words):
    done = fedrt(folder, *arguments, code=1)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("fedrt: ")
    assert words in done.stderr


def test_a_structure_without_cases_is_left_out_and_a_dataset_without_splits_trains(tmp_path):
    warnings = []

    class Listener(Reporter):
        def warning(self, text):
            warnings.append(text)

    dataset = write_tiny_dataset(
        tmp_path / "d", cases={"train": 2}, unlabelled={"c00": ("Prostate",), "c01": ("Prostate",)}
    )
    card = train_locally([dataset], small_settings(steps=3), tmp_path / "model", report=Listener())
    assert set(card.metrics) == {"train"}
    assert card.names == ("Bladder",)
    assert any("Prostate is not part of the model" in text for text in warnings)
    assert any("test split" in text for text in warnings)


def test_asked_for_all_the_same_a_structure_without_cases_is_kept_and_warned_about(tmp_path):
    warnings = []

    class Listener(Reporter):
        def warning(self, text):
            warnings.append(text)

    dataset = write_tiny_dataset(tmp_path / "d", cases={"train": 2})
    wanted = (Structure(name="Bladder"), Structure(name="Heart"))
    card = train_locally([dataset], small_settings(steps=3), tmp_path / "model", wanted, report=Listener())
    assert card.names == ("Bladder", "Heart")
    assert card.metrics["train"].structures["Heart"].dice is None
    assert any("contoured for Heart" in text for text in warnings)
    assert not any("Prostate" in text for text in warnings)  # left out on purpose
