"""`fedrt demo`, small: the whole path over real processes, interrupted once and started again."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pydicom
import pytest
from FedRTDatasetLib.contouring.rasterise import rasterise
from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
from FedRTDatasetLib.imaging.series import load_series
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.storage.dataset import Dataset
from FedRTDatasetLib.storage.segmentation import read_segmentation
from FedRTTrainLib.model import load_model


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A finished demo that was told to stop while it trained; (folder, exit code of the interrupted run, events)."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    command = [sys.executable, "-m", "FedRTInferenceLib", "demo", "--out", str(out), "--progress", "json"]
    command += ["--patients", "3", "--rounds", "2", "--steps", "3"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in first.stdout:
        if '"stage": "training' in line:
            first.send_signal(signal.SIGTERM)
            break
    first.stdout.read()
    interrupted = first.wait(120)
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    return out, interrupted, [json.loads(line) for line in second.stdout.splitlines()]


def test_interrupted_then_finished(demo):
    _, interrupted, events = demo
    assert interrupted == 130
    assert {"event": "info", "text": "datasets: already done"} in events
    assert events[-1]["event"] == "demo"


def test_summary(demo):
    out, _, _ = demo
    summary = json.loads((out / "summary.json").read_text())
    hospitals = {folder.name for folder in (out / "dicom").iterdir() if folder.is_dir()}
    assert len(hospitals) == 3
    assert summary["dice"]["local"].keys() == hospitals
    for value in (*summary["dice"]["local"].values(), summary["dice"]["federated"], summary["dice"]["pooled"]):
        assert 0 <= value <= 1
    assert len(summary["outputs"]["rtstruct"]) == len(summary["outputs"]["segmentation"]) == 3
    for path in summary["outputs"]["rtstruct"] + summary["outputs"]["segmentation"]:
        assert (out / path).is_file()


def test_rtstruct_of_unseen_patients_references_their_series_and_is_the_mask(demo):
    out, _, _ = demo
    for path in out.glob("contours/*/*/RTSTRUCT.dcm"):
        hospital = path.parent.parent.name
        index = index_folders([out / "dicom" / hospital, path])
        own = next(uid for uid, rt in index.structure_sets.items() if rt.path == path)
        series = index.series[index.links[own]]
        assert pydicom.dcmread(path).PatientID == series.patient_id
        case = Dataset.open(out / "hospitals" / hospital / "dataset").case(path.parent.name)
        assert case.split == "test"
        stored = read_segmentation(path.with_name("structures.seg.nrrd"))
        stack = load_series(series).stack
        for roi, mask in zip(read_rtstruct(path), stored.masks, strict=True):
            assert np.array_equal(rasterise(roi.polygons, stack)[0], mask)


def test_federated_model_and_round_log(demo):
    out, _, _ = demo
    _, card = load_model(out / "models" / "federated")
    assert len(card.structures) == 5
    assert card.lineage.round == 2
    assert card.training.sites == 3
    (log,) = out.glob("federation/runs/*/rounds.jsonl")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert {(entry["round"], entry["site"]) for entry in entries} == {(r, s) for r in (1, 2) for s in _sites(out)}
    assert all(entry["accepted"] for entry in entries)


def _sites(out):
    return {folder.name for folder in (out / "dicom").iterdir() if folder.is_dir()}


def test_report_shows_pictures_and_no_patient(demo):
    out, _, _ = demo
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<image ") >= 9
    assert page.count('class="chart"') >= 2
    for series in index_folders([out / "dicom"]).series.values():
        header = next(iter(series.headers.values()))
        for secret in (series.patient_id, *str(header.PatientName).split("^")):
            assert secret not in page


def test_no_process_is_left(demo):
    out, _, _ = demo
    time.sleep(1)
    left = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline") as file:
                command = file.read()
        except OSError:
            continue
        if str(out) in command:
            left.append(command)
    assert left == []


def test_other_settings_in_the_same_folder_are_refused(demo):
    out, _, _ = demo
    command = [sys.executable, "-m", "FedRTInferenceLib", "demo", "--out", str(out), "--patients", "4"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert "holds results of other settings" in result.stderr
