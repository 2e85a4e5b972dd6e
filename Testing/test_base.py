"""Small parts that everything stands on: atomic writes, pseudonyms, hidden identities, splits, reports, exit codes."""

import json
import subprocess
import sys
from collections import Counter

import pytest
from FedRTDatasetLib.atomic import (
    remove_leftovers,
    replacing,
    replacing_folder,
    write_json,
)
from FedRTDatasetLib.building.splits import assign_splits
from FedRTDatasetLib.commandline import common_options, run
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.privacy import without_identity
from FedRTDatasetLib.pseudonym import SiteKey


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_failed_folder_leaves_the_old_folder(tmp_path):
    folder = tmp_path / "case"
    with replacing_folder(folder) as partial:
        (partial / "x").write_text("old")
    with pytest.raises(RuntimeError), replacing_folder(folder) as partial:
        (partial / "x").write_text("new")
        raise RuntimeError
    assert (folder / "x").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["case"]


def test_killed_write_leaves_only_what_remove_leftovers_takes(tmp_path):
    code = (
        "import os, sys, pathlib\nfrom FedRTDatasetLib.atomic import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1]) / 'a.txt') as p:\n    p.write_text('half'); os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == 9
    assert not (tmp_path / "a.txt").exists()
    assert len(list(tmp_path.iterdir())) == 1
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_key_is_private_and_stays(tmp_path):
    path = tmp_path / "sub" / "site.key"
    first = SiteKey.load_or_create(path)
    assert path.stat().st_mode & 0o077 == 0
    assert SiteKey.load_or_create(path).pseudonym("MRN-1") == first.pseudonym("MRN-1")
    assert first.pseudonym("MRN-1") != first.pseudonym("MRN-2")
    assert first.pseudonym("MRN-1") != SiteKey.load_or_create(tmp_path / "other.key").pseudonym("MRN-1")
    assert first.digest("x", "series") != first.digest("x", "patient")
    path.write_text("not a key")
    with pytest.raises(FedRTError, match="is not a FedRT key file"):
        SiteKey.load_or_create(path)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("RS.DOE_Jane.dcm", "RS.(hidden)_(hidden).dcm"),
        ("/export/4711-A/ct1.dcm", "/export/(hidden)/ct1.dcm"),
        ("GTV jane", "GTV (hidden)"),
        ("Bladder", "Bladder"),
    ],
)
def test_identity_is_hidden(text, hidden):
    assert without_identity(text, "4711-A", "Doe^Jane") == hidden


def test_split_shares_and_steadiness():
    patients = [f"P{n:03d}" for n in range(40)]
    fractions = {"train": 10, "validation": 2, "test": 4}
    first = assign_splits(patients[:16], fractions)
    assert Counter(first.values()) == {"train": 10, "validation": 2, "test": 4}
    grown = assign_splits(patients, fractions, first)
    assert first.items() <= grown.items()
    assert Counter(grown.values()) == {"train": 25, "validation": 5, "test": 10}


def _command(action):
    def add(subparsers):
        subparsers.add_parser("x", parents=[common_options()]).set_defaults(run=action)

    return add


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("action", "code", "told"),
    [
        (lambda args, report: None, 0, ""),
        (lambda args, report: 1, 1, ""),
        (lambda args, report: _raise(FedRTError("case P1: do this.")), 1, "fedrt: case P1: do this.\n"),
        (lambda args, report: _raise(ValueError("secret Doe")), 1, "unexpected ValueError"),
        (lambda args, report: _raise(KeyboardInterrupt()), 130, "start the same command again"),
    ],
)
def test_exit_codes_and_one_line_causes(capsys, action, code, told):
    assert run([_command(action)], ["x", "--progress", "json"]) == code
    output = capsys.readouterr()
    assert told in output.err
    assert "Traceback" not in output.err
    assert "Doe" not in output.err + output.out
    assert output.err.count("\n") <= 1
    if code not in (0,) and told:
        assert json.loads(output.out.splitlines()[-1])["event"] == "failed"


def test_bad_usage_is_2(capsys):
    with pytest.raises(SystemExit) as stop:
        run([_command(None)], ["nonsense"])
    assert stop.value.code == 2


def test_json_progress_is_one_object_a_line(capsys):
    def work(args, report):
        report.progress("index", 3, 10)
        report.warning("späte Schicht")

    run([_command(work)], ["x", "--progress", "json"])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0] == {"event": "progress", "stage": "index", "done": 3, "of": 10}
    assert events[1] == {"event": "warning", "text": "späte Schicht"}
