"""What the Slicer forms type is what the commands understand: every command line is parsed by the real parsers."""

import argparse
from pathlib import Path

import pytest
from FedRTDatasetLib import arguments as dataset
from FedRTDatasetLib import cli as dataset_cli
from FedRTDatasetLib.errors import FedRTError
from FedRTFederationLib import arguments as federation
from FedRTFederationLib import cli as federation_cli
from FedRTInferenceLib import arguments as inference
from FedRTInferenceLib import cli as inference_cli
from FedRTTrainLib import arguments as train
from FedRTTrainLib import cli as train_cli
from FedRTTrainLib.settings import preset_names, read_settings


def parse(room, arguments) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    room.add_commands(parser.add_subparsers())
    return parser.parse_args([*(str(argument) for argument in arguments), "--progress", "json"])


def test_dataset_commands():
    source = dataset.Sources("/in")
    assert parse(dataset_cli, dataset.index(source)).source == ["/in"]
    names = parse(dataset_cli, dataset.names(source, Path("/out.names.csv")))
    assert (names.source, names.map) == (["/in"], Path("/out.names.csv"))
    build = parse(dataset_cli, dataset.build(source, "/c.toml", "/out", ""))
    assert (build.config, build.out, build.map) == (Path("/c.toml"), Path("/out"), None)
    assert parse(dataset_cli, dataset.build(source, "/c.toml", "/out", "/n.csv")).map == Path("/n.csv")
    export = parse(dataset_cli, dataset.segmentation_to_rtstruct(Path("/s.seg.nrrd"), "/ct", "/rs.dcm"))
    assert (export.segmentation, export.reference, export.out) == (Path("/s.seg.nrrd"), Path("/ct"), Path("/rs.dcm"))


def test_a_source_on_the_network_and_a_selection():
    sources = dataset.Sources("", " pacs:A@h:104 ", "/list.txt", "2024-01-01", "", "CT", "Rectum,Bladder")
    parsed = parse(dataset_cli, dataset.index(sources))
    assert parsed.source == ["pacs:A@h:104"]
    assert (parsed.patients, parsed.first_date, parsed.last_date) == (Path("/list.txt"), "2024-01-01", None)
    assert (parsed.modality, parsed.with_structures) == ("CT", "Rectum,Bladder")
    both = parse(dataset_cli, dataset.index(dataset.Sources("/in", "https://pacs/dicom-web")))
    assert both.source == ["/in", "https://pacs/dicom-web"]


def test_the_name_map_is_where_the_build_command_looks_for_it():
    assert dataset.name_map_path("", "/data/pelvis") == Path("/data/pelvis.names.csv")
    assert dataset.name_map_path(" /own.csv ", "/data/pelvis") == Path("/own.csv")


def test_train_command_with_preset_or_own_settings():
    parsed = parse(train_cli, train.train(["/a", "/b"], "quick", "", "/model"))
    assert (parsed.datasets, parsed.config, parsed.out) == ([Path("/a"), Path("/b")], "quick", Path("/model"))
    assert parse(train_cli, train.train(["/a"], "quick", "/own.toml", "/model")).config == "/own.toml"


def test_the_presets_of_the_form_are_those_of_the_command():
    assert tuple(train.preset_names()) == preset_names()
    for name in train.preset_names():
        read_settings(name)


def test_federation_command():
    parsed = parse(federation_cli, federation.join("/north.zip", "/dataset"))
    assert (parsed.kit, parsed.dataset) == (Path("/north.zip"), Path("/dataset"))


def test_inference_commands():
    volume = parse(inference_cli, inference.infer_volume("/model", Path("/v.nrrd"), Path("/out")))
    assert (volume.images, volume.seg, volume.rtstruct) == (["/v.nrrd"], True, False)
    folder = parse(inference_cli, inference.infer_dicom("/model", "/dicom", Path("/out")))
    assert (folder.model, folder.images, folder.out) == (Path("/model"), ["/dicom"], Path("/out"))
    assert (folder.seg, folder.rtstruct) == (False, False)  # neither asked for: both are written


@pytest.mark.parametrize(
    "command",
    [
        lambda: dataset.index(dataset.Sources(" ", "")),
        lambda: dataset.build(dataset.Sources("/in"), "", "/out", ""),
        lambda: dataset.build(dataset.Sources("/in"), "/c.toml", "", ""),
        lambda: train.train([], "quick", "", "/model"),
        lambda: train.train(["/a"], "quick", "", ""),
        lambda: federation.join("", "/dataset"),
        lambda: federation.join("/kit.zip", ""),
        lambda: inference.infer_dicom("", "/dicom", Path("/out")),
        lambda: inference.infer_dicom("/model", "", Path("/out")),
    ],
)
def test_what_was_not_chosen_is_asked_for(command):
    with pytest.raises(FedRTError, match=r"^(Choose|Add) .*\.$"):
        command()


def test_paths_are_absolute_because_jobs_run_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert dataset.chosen("export", "") == tmp_path / "export"
    assert dataset.chosen("~/export", "") == tmp_path / "export"
