"""Input that hospitals really have and that no command may stumble over, through the command line."""

import errno
import json
import os
import subprocess
import sys
import warnings

import pydicom
import pytest
from dicom_maker import make_patient, make_series
from FedRTDatasetLib import cli, commandline
from FedRTDatasetLib.building.skipped import SkippedList
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.series import load_series
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.pseudonym import SiteKey
from FedRTDatasetLib.reporting import BarReporter, printable
from FedRTDatasetLib.storage.convert import rtstruct_to_segmentation
from FedRTDatasetLib.storage.segmentation import read_segmentation
from FedRTDatasetLib.system_error import refusal, with_number


def fedrt(*words) -> int:
    """A command of the data room in this process; its exit code."""
    with warnings.catch_warnings():
        return commandline.run([cli.add_commands], [str(word) for word in words])


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDRT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FEDRT_KEY", str(tmp_path / "site.key"))


def rename_roi(path, name: str) -> None:
    dataset = pydicom.dcmread(path)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.StructureSetROISequence[0].ROIName = name
    dataset.save_as(path)


def deidentify(tmp_path, capsys) -> list[str]:
    code = fedrt("deidentify", tmp_path / "in", tmp_path / "out", "--progress", "json", "--jobs", 1)
    out, err = capsys.readouterr()
    assert code == 0, err
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 9
    return [event["text"] for event in map(json.loads, out.splitlines()) if event["event"] == "warning"]


def test_links_to_nothing_and_pipes_do_not_stop_a_deidentification(tmp_path, capsys):
    make_patient(tmp_path / "in" / "a")
    (tmp_path / "in" / "dangling.dcm").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "in" / "pipe.dcm")
    told = deidentify(tmp_path, capsys)
    assert any(text.startswith("dangling.dcm: cannot be read") for text in told)
    assert any(text.startswith("pipe.dcm: not a regular file") for text in told)


def test_file_names_in_another_encoding_are_deidentified_and_printed(tmp_path, capsys):
    series = make_patient(tmp_path / "in" / "a")
    odd = os.fsencode(series.folder)
    os.rename(series.folder / "structures.dcm", odd + b"/\xff\xfe.dcm")
    with open(odd + b"/\xe4.dcm", "wb") as file:
        file.write(b"no DICOM")
    told = deidentify(tmp_path, capsys)
    assert len(told) == 1 and "not a DICOM file" in told[0]


def test_the_list_of_skipped_items_takes_file_names_in_another_encoding(tmp_path):
    skipped = SkippedList(SiteKey(b"k" * 32))
    skipped.add("case-skipped", "it is damaged.", path=os.fsdecode(b"/data/\xff.dcm"))
    skipped.save_table(tmp_path / "x.csv")
    assert "\\udcff.dcm" in (tmp_path / "x.csv").read_text("utf-8-sig")
    assert skipped.items()[0].source


def test_remarks_of_libraries_do_not_reach_the_screen(tmp_path, capsys):
    make_patient(tmp_path / "in")
    for path in (tmp_path / "in").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet = "ISO_IR 999"
        dataset.save_as(path)
    words = "rtstruct", "to-seg", tmp_path / "in", tmp_path / "in" / "structures.dcm", "--out", tmp_path / "x.seg.nrrd"
    assert fedrt(*words, "--progress", "none") == 0
    assert capsys.readouterr() == ("", "")


def test_control_sequences_in_roi_names_do_not_reach_the_terminal(tmp_path, capsys):
    make_patient(tmp_path / "in")
    rename_roi(tmp_path / "in" / "structures.dcm", "red\x1b[31m")
    assert fedrt("dataset", "names", tmp_path / "in", "--progress", "none") == 0
    out = capsys.readouterr().out
    assert "red" in out and "\x1b" not in out
    assert printable("a\nb\x07ü") == "a?b?ü"


@pytest.mark.parametrize(("name", "segment"), [("Drüse rechts", "Drüse rechts"), ("Παρωτίδα", "Παρωτίδα"),
                                               ("50% = %41", "50% = %41"), ("a\nb\tc", "a b c")])  # fmt: skip
def test_roi_names_in_any_language_become_segment_names(tmp_path, name, segment):
    make_patient(tmp_path / "in")
    rename_roi(tmp_path / "in" / "structures.dcm", name)
    rtstruct_to_segmentation(tmp_path / "in", tmp_path / "in" / "structures.dcm", tmp_path / "x.seg.nrrd")
    assert read_segmentation(tmp_path / "x.seg.nrrd").names[0] == segment
    assert f"Segment0_Name:={segment}\n".encode() in (tmp_path / "x.seg.nrrd").read_bytes()


def test_a_second_copy_beside_it_does_not_keep_a_structure_set_from_conversion(tmp_path):
    make_patient(tmp_path / "in")
    structures = (tmp_path / "in" / "structures.dcm").read_bytes()
    (tmp_path / "in" / "a_copy.dcm").write_bytes(structures)
    rtstruct_to_segmentation(tmp_path / "in", tmp_path / "in" / "structures.dcm", tmp_path / "x.seg.nrrd")
    assert read_segmentation(tmp_path / "x.seg.nrrd").names == ["Bladder", "Rectum"]


def test_a_series_that_cannot_be_decoded_says_why(tmp_path):
    series = make_patient(tmp_path / "in")
    for path in series.files:
        path.write_bytes(path.read_bytes()[:-50])
    index = index_folders([tmp_path / "in"])
    with pytest.raises(FedRTError, match=r"pixels of 8 of 8 cannot be read"):
        load_series(next(iter(index.series.values())))


def too_small(*words) -> tuple[int, str]:
    """A command in a child process that may write files of 3 kB; exit code and what stands on stderr."""
    run = (
        "import resource, sys; from FedRTDatasetLib import cli, commandline; import signal;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
        "sys.exit(commandline.run([cli.add_commands], sys.argv[1:]))"
    )
    words = [sys.executable, "-c", run, *map(str, words), "--progress", "none"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_a_full_disk_is_told_in_one_line(tmp_path):
    make_patient(tmp_path / "in", rows=120, columns=128)
    for words in (
        ("deidentify", tmp_path / "in", tmp_path / "out", "--jobs", 1),
        ("rtstruct", "to-seg", tmp_path / "in", tmp_path / "in" / "structures.dcm", "--out", tmp_path / "x.seg.nrrd"),
        ("phantom", tmp_path / "phantom", "--patients", 1),
    ):
        code, err = too_small(*words)
        assert code == 1
        assert err.startswith("fedrt: there is no room left on the disk") and err.count("\n") == 1, err


def test_what_the_system_refuses_is_told_with_the_paths_that_the_user_gave(tmp_path):
    given = tmp_path / "out"
    assert refusal(OSError(errno.ENOSPC, "", str(given / "Doe")), [given]) == (
        f"there is no room left on the disk of {given}: free some and run the same command again."
    )
    assert "Doe" not in refusal(PermissionError(errno.EACCES, "", "/data/Doe.dcm"), [given])
    assert refusal(OSError(errno.EROFS, "", str(given)), [given]).startswith(f"{given} is on a read-only disk")
    wrapped = OSError("without a number")
    wrapped.__cause__ = OSError(errno.ENOSPC, "")
    assert "no room" in refusal(wrapped)
    assert with_number(wrapped).errno == errno.ENOSPC
    assert refusal(ValueError()) is None


def test_images_without_a_structure_set_are_told_as_that(tmp_path, capsys):
    make_series(tmp_path / "in", patient="")
    (tmp_path / "c.toml").write_text('name = "x"\n')
    words = "dataset", "build", tmp_path / "in", "--config", tmp_path / "c.toml", "--out", tmp_path / "out"
    assert fedrt(*words, "--progress", "none") == 1
    assert capsys.readouterr().err.startswith("fedrt: there is no structure set with its images among the sources")


def test_a_message_in_a_log_stays_on_its_line(capsys):
    report = BarReporter()
    report.warning("word " * 60)
    report.info("word " * 60)
    report.close()
    assert capsys.readouterr().err.count("\n") == 2


def test_cases_keep_their_names_where_digits_of_a_patient_id_are_among_them():
    skipped = SkippedList(SiteKey(b"k" * 32), identities={"STS_024", "P0123456789"})
    skipped.note("case P5ef1024f59-ee5c45: STS_024.dcm is damaged.")
    skipped.note("case P0123456789 is damaged.")
    assert [problem.text for problem in skipped.problems] == [
        "case P5ef1024f59-ee5c45: (hidden).dcm is damaged.",
        "case (hidden) is damaged.",
    ]
