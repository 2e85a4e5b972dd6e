"""What an interrupted, doubled or starved build leaves behind: whole cases, and corrections untouched."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_maker import make_patient
from FedRTDatasetLib.building.case_folder import finish_interrupted, replacing_case
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.process_tree import family
from FedRTDatasetLib.storage.dataset import Dataset, file_sha256
from FedRTDatasetLib.storage.folder_lock import LOCK, building
from FedRTDatasetLib.storage.volume_file import is_full, write_volume

CONFIG = 'name = "t"\nstructures = ["Bladder", "Rectum"]\n[processing]\nintensity = "none"\n'


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def record(*names: str) -> str:
    return json.dumps({"sha256": {name: "0" for name in names}})


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def an_old_case(cases: Path) -> Path:
    with replacing_case(cases, "P1") as folder:
        write(folder, image_nrrd="old image", dose_nrrd="old dose", case_json=record("image.nrrd", "dose.nrrd"))
    (cases / "P1" / "versions").mkdir()
    (cases / "P1" / "versions" / "001.json").write_text("a person's work")
    return cases / "P1"


def test_a_case_is_replaced_but_its_corrections_stay(tmp_path):
    case = an_old_case(tmp_path)
    inode = (case / "versions" / "001.json").stat().st_ino
    with replacing_case(tmp_path, "P1") as folder:
        write(folder, image_nrrd="new image", case_json=record("image.nrrd"))
    expected = {"image.nrrd": "new image", "case.json": record("image.nrrd"), "versions/001.json": "a person's work"}
    assert contents(case) == expected
    assert (case / "versions" / "001.json").stat().st_ino == inode
    assert [p.name for p in tmp_path.iterdir()] == ["P1"]


def test_a_failure_leaves_the_old_case(tmp_path):
    case = an_old_case(tmp_path)
    before = contents(case)
    with pytest.raises(ZeroDivisionError), replacing_case(tmp_path, "P1") as folder:
        write(folder, image_nrrd="new image")
        raise ZeroDivisionError
    assert contents(case) == before
    assert [p.name for p in tmp_path.iterdir()] == ["P1"]


@pytest.mark.parametrize("survived", range(12))
def test_killed_at_any_moment_it_is_the_old_case_or_becomes_the_new_one(tmp_path, survived, monkeypatch):
    """Every renaming and deleting counts; the run stops after `survived` of them and another one tidies up."""
    case = an_old_case(tmp_path)
    old = contents(case)
    new = {"image.nrrd": "new", "zcontours": "new", "case.json": record("image.nrrd", "zcontours")}
    new["versions/001.json"] = "a person's work"
    left = [survived]

    def stopping(original):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for owner, name in ((os, "rename"), (os, "replace"), (Path, "unlink"), (Path, "rmdir")):
            patch.setattr(owner, name, stopping(getattr(owner, name)))
        try:
            with replacing_case(tmp_path, "P1") as folder:
                write(folder, image_nrrd="new", zcontours="new", case_json=new["case.json"])
        except KeyboardInterrupt:
            pass
    finish_interrupted(tmp_path)
    assert contents(case) == (old if survived == 0 else new)
    assert [p.name for p in tmp_path.iterdir()] == ["P1"]


def test_the_lock_keeps_a_second_run_out_and_goes_with_the_first(tmp_path):
    with building(tmp_path):
        held = rf"another build works on .* \(process {os.getpid()} on this machine\)"
        with pytest.raises(FedRTError, match=held), building(tmp_path):
            pass
        assert (tmp_path / LOCK).exists()
    assert not list(tmp_path.iterdir())
    with building(tmp_path):
        pass


def test_the_lock_of_a_run_that_died_is_taken_over(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = next(p.started for p in family(child.pid) if p.pid == child.pid)
    (tmp_path / LOCK).write_text(json.dumps({"host": socket.gethostname(), "pid": child.pid, "started": started}))
    with pytest.raises(FedRTError, match="another build"), building(tmp_path):
        pass
    child.kill()
    child.wait()
    with building(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    # The number was handed out again: to us, who started at another time.
    (tmp_path / LOCK).write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": "1"}))
    with building(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ['{"host": "elsewhere", "pid": 7, "started": "1"}', "", "[]"])
def test_a_lock_of_another_machine_is_respected(tmp_path, text):
    (tmp_path / LOCK).write_text(text)
    with pytest.raises(FedRTError, match=r"if none runs there any more, delete"), building(tmp_path):
        pass
    assert (tmp_path / LOCK).read_text() == text


def command(source: Path, out: Path, *options: str) -> list[str]:
    (source.parent / "c.toml").write_text(CONFIG)
    return [sys.executable, "-m", "FedRTDatasetLib", "dataset", "build", str(source), "--config",
            str(source.parent / "c.toml"), "--out", str(out), "--progress", "json", *options]  # fmt: skip


def limited_files():  # noise hardly compresses: the large images do not fit into it, the index and small ones do
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def test_volume_without_room_is_no_half_file_that_counts(tmp_path):
    script = (
        "import sys, SimpleITK as sitk, numpy as np\nfrom pathlib import Path\n"
        "from FedRTDatasetLib.storage.volume_file import is_full, write_volume\n"
        "image = sitk.GetImageFromArray(np.random.default_rng(0).random((40, 100, 100), dtype=np.float32))\n"
        "try:\n    write_volume(Path(sys.argv[1]), image)\nexcept OSError as error:\n    sys.exit(7 if is_full(error) else 8)\n"
    )
    run = [sys.executable, "-c", script, str(tmp_path / "a.nrrd")]
    assert subprocess.run(run, preexec_fn=limited_files).returncode == 7
    assert subprocess.run(run).returncode == 0
    assert sitk.ReadImage(str(tmp_path / "a.nrrd")).GetSize() == (100, 100, 40)
    with pytest.raises(FileNotFoundError) as caught:
        write_volume(tmp_path / "nowhere" / "a.nrrd", sitk.Image(2, 2, 2, sitk.sitkUInt8))
    assert not is_full(caught.value)


def test_a_full_disk_is_told_and_the_next_run_goes_on(tmp_path):
    make_patient(tmp_path / "in" / "small", "small", rows=20, columns=24, slices=4, contoured=range(1, 3),
                 rois={"Bladder": ((20, 15), (9, 8))})  # fmt: skip
    for name in "xyz":
        make_patient(
            tmp_path / "in" / name, name, rows=200, columns=200, slices=20, rois={"Bladder": ((40, 30), (20, 12))}
        )
    out = tmp_path / "out"
    run = subprocess.run(
        command(tmp_path / "in", out, "--jobs", "2"),
        preexec_fn=limited_files,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 1
    assert "there is no room left on the disk" in run.stderr
    assert "Traceback" not in run.stderr
    hidden = [p.name for p in (out / "cases").iterdir() if p.name.startswith(".")]
    assert not hidden
    for folder in (out / "cases").iterdir():  # whatever is there is whole
        found = json.loads((folder / "case.json").read_text())
        assert all(file_sha256(folder / name) == digest for name, digest in found["sha256"].items())
    again = subprocess.run(command(tmp_path / "in", out), capture_output=True, text=True, timeout=100)
    assert again.returncode == 0, again.stderr
    assert len(Dataset.open(out).cases) == 4


def test_a_killed_build_goes_on_and_two_at_once_do_not_mix(tmp_path):
    for number in range(4):
        make_patient(tmp_path / "in" / str(number), f"patient {number}", rows=160, columns=160, slices=20,
                     rois={"Bladder": ((80, 70), (20, 12))})  # fmt: skip
    out = tmp_path / "out"
    first = subprocess.Popen(
        command(tmp_path / "in", out, "--jobs", "1"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not list((out / "cases").glob("P*/case.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    second = subprocess.run(command(tmp_path / "in", out), capture_output=True, text=True, timeout=60)
    running = first.poll() is None
    first.kill()
    first.wait()
    first.stdout.close()
    if running:  # else the first was too quick to be met
        assert second.returncode == 1
        assert "another build works on" in second.stderr
    third = subprocess.run(command(tmp_path / "in", out), capture_output=True, text=True, timeout=100)
    assert third.returncode == 0, third.stderr
    dataset = Dataset.open(out)
    assert len(dataset.cases) == 4
    assert not [p.name for p in [*out.iterdir(), *(out / "cases").iterdir()] if p.name.startswith(".")]
    for case in dataset.cases:
        assert all(file_sha256(case.folder / name) == digest for name, digest in case.sha256.items())
        assert np.isfinite(sitk.GetArrayViewFromImage(sitk.ReadImage(str(case.folder / "image.nrrd")))).all()
