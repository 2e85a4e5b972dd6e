"""`open_sources` and the commands on top of it: every kind of source, alone and mixed, as a person types them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index.selection import Selection
from FedRTDatasetLib.sources.opening import open_sources
from orthanc import Orthanc
from slicer_database_maker import make_database
from small_hospital import make_study, small_hospital
from unreliable_network import UnreliableNetwork

SETTINGS = 'name = "ward"\nstructures = ["Bladder", "Rectum"]\n[processing]\nspacing_mm = [4, 4, 4]\n'


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    return small_hospital(tmp_path_factory.mktemp("hospital"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory, hospital):
    with Orthanc(tmp_path_factory.mktemp("orthanc"), clients={"FEDRT": 0}) as server:
        server.add(*(one.folder for one in hospital.values()))
        yield server


def instances(index) -> set[str]:
    images = {uid for series in index.series.values() for uid in series.files}
    return images | set(index.structure_sets) | set(index.plans) | set(index.doses)


def everything_of(*studies) -> set[str]:
    return {uid for one in studies for uid in (*one.images, one.structure_set, one.plan, one.dose) if uid}


WANTED = Selection(structures=("Bladder", "Rectum"), modalities=frozenset({"CT"}))


def test_the_same_from_every_kind_of_source(archive, hospital, tmp_path):
    folders = [str(one.folder) for one in hospital.values()]
    database = make_database(tmp_path / "database", copied=[one.folder for one in hospital.values()])
    for sources in (folders, [str(database.parent)], [archive.pacs], [archive.dicomweb]):
        index = open_sources(sources, selection=WANTED, cache=tmp_path / "cache")
        assert instances(index) == everything_of(hospital["both"], hospital["apart"])
        assert len(index.links) == 2
        assert len(index.doses_of(hospital["apart"].structure_set)) == 1


def test_sources_of_several_kinds_together(archive, hospital, tmp_path):
    database = make_database(tmp_path / "database", linked=[hospital["german"].folder], remote=2)
    sources = [str(hospital["both"].folder), str(database.parent), archive.pacs]
    index = open_sources(sources, selection=Selection(patients=frozenset({"MRN-1", "MRN-3"})), cache=tmp_path / "cache")
    assert instances(index) == everything_of(hospital["both"], hospital["old"], hospital["german"])
    assert "not-received" in {problem.kind for problem in index.problems}


@pytest.mark.parametrize("source", ["folder", "pacs"])
def test_nothing_that_was_selected(archive, hospital, tmp_path, source):
    place = archive.pacs if source == "pacs" else str(hospital["both"].folder)
    with pytest.raises(FedRTError, match=r"nothing (to be had from|in the sources is what was selected)"):
        open_sources([place], selection=Selection(patients=frozenset({"GONE"})), cache=tmp_path / "cache")


def test_one_token_is_not_shown_to_two_servers(monkeypatch, tmp_path):
    monkeypatch.setenv("FEDRT_DICOMWEB_TOKEN", "t")
    with pytest.raises(FedRTError, match="several DICOMweb servers"):
        open_sources(["https://a.example.org/x", "https://b.example.org/x"], cache=tmp_path)


def fedrt(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "FedRTDatasetLib", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_commands_on_a_pacs_from_index_to_dataset(archive, tmp_path):
    (tmp_path / "patients.txt").write_text("MRN-1\nMRN-4\n")
    (tmp_path / "dataset.toml").write_text(SETTINGS)
    source = [archive.pacs, "--patients", str(tmp_path / "patients.txt"), "--with-structures", "Bladder,Rectum"]
    index = fedrt("dataset", "index", *source, "--json", "--progress", "none")
    assert index.returncode == 0, index.stderr
    summary = json.loads(index.stdout)
    assert (summary["patients"], summary["series"], summary["linked_structure_sets"]) == (2, {"CT": 2}, 2)
    assert "MRN" not in index.stdout + index.stderr and "Doe" not in index.stdout + index.stderr

    names = fedrt("dataset", "names", *source, "--map", str(tmp_path / "ward.names.csv"), "--progress", "json")
    assert names.returncode == 0, names.stderr
    built = fedrt(
        "dataset", "build", *source, "--config", str(tmp_path / "dataset.toml"), "--out", str(tmp_path / "ward")
    )
    assert built.returncode == 0, built.stderr
    assert len(list((tmp_path / "ward" / "cases").iterdir())) == 2

    shown = fedrt("dataset", "received", "--progress", "json")
    event = json.loads(shown.stdout.splitlines()[-1])
    assert event["files"] == 12 + 2 * 3 and event["bytes"] > 0
    cleared = fedrt("dataset", "received", "--clear", "--progress", "json")
    assert json.loads(cleared.stdout.splitlines()[-1])["files"] == 18
    assert not list((tmp_path / event["folder"]).rglob("*.dcm"))


@pytest.mark.parametrize(
    "source", ["pacs:ARCHIVE@127.0.0.1:1", "https://127.0.0.1:1/dicom-web", "pacs:oops", "/no/such/folder"]
)
def test_a_command_says_what_is_wrong_in_one_line(source):
    done = fedrt("dataset", "index", source)
    assert done.returncode == 1
    assert done.stderr.startswith("fedrt: ") and done.stderr.count("\n") == 1
    assert source.partition("?")[0] in done.stderr


def test_ctrl_c_leaves_whole_objects_and_the_next_run_goes_on(tmp_path):
    study = make_study(tmp_path / "study", "MRN-1", "20240110", ("Bladder",), slices=150, size=128)
    with Orthanc(tmp_path / "orthanc", clients={"FEDRT": 0}) as server:
        server.add(study.folder)
        # Nothing is cut: the proxy is there to be slow enough that the signal comes in the middle.
        with UnreliableNetwork(server.dicom_port, cut_after=1 << 40, times=0, bytes_per_second=3_000_000) as network:
            source = server.pacs.replace(str(server.dicom_port), str(network.port))
            command = [sys.executable, "-m", "FedRTDatasetLib", "dataset", "index", source, "--progress", "json"]
            command += ["--cache", str(tmp_path / "cache")]
            running = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell ignores it in the background
            )  # fmt: skip
            end = time.monotonic() + 60
            while len(list((tmp_path / "cache").rglob("*.dcm"))) < 20 and time.monotonic() < end:
                time.sleep(0.01)
            os.kill(running.pid, signal.SIGINT)
            _, said = running.communicate(timeout=30)
            assert running.returncode == 130, said
            assert said == "fedrt: interrupted; start the same command again to go on\n"
            here = {path for path in (tmp_path / "cache").rglob("*.dcm") if not path.name.startswith(".")}
            assert 10 <= len(here) < 150
            stamps = {path: path.stat().st_mtime_ns for path in here}
            again = subprocess.run(command, capture_output=True, text=True, timeout=120)
            assert again.returncode == 0, again.stderr
            assert json.loads(again.stdout.splitlines()[-1])["series"] == {"CT": 1}
            assert {path: path.stat().st_mtime_ns for path in here} == stamps
