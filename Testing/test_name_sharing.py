"""Name maps between hospitals, what geometry says against a name, and `fedrt dataset names` as a person types it."""

import csv
import itertools
import json
import subprocess
import sys

import pytest
from dicom_maker import make_patient
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.naming.map_file import MapEntry
from FedRTDatasetLib.naming.names import CONFIDENT, NameMap
from FedRTDatasetLib.naming.sharing import (
    SHARED_COLUMNS,
    export_map,
    merge_shared,
    shareable,
)


def approved(**meanings: str) -> NameMap:
    names = NameMap()
    for roi_name, meaning in meanings.items():
        names.entries[roi_name] = MapEntry(meaning, 1.0, "synonym", 12, "approved")
    return names


def rows(path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# --- what leaves -----------------------------------------------------------------------------------------------------------


def test_only_approved_names_leave_and_nothing_else(tmp_path):
    names = approved(Niere="Kidney_L", Blase="Bladder")
    names.merge({"Rectum": 40, "Herz": 3})
    names.entries["Herz"].status = "ignored"
    names.entries["Niere"].doubt = "lies on the right in one case."
    assert export_map(names, tmp_path / "shared.csv") == (2, 0)
    assert rows(tmp_path / "shared.csv") == [
        {"roi_name": "Blase", "tg263_name": "Bladder", "status": "approved"},
        {"roi_name": "Niere", "tg263_name": "Kidney_L", "status": "approved"},
    ]
    text = (tmp_path / "shared.csv").read_text(encoding="utf-8-sig")
    assert text.splitlines()[0] == ",".join(SHARED_COLUMNS)
    assert "12" not in text
    assert NameMap.load(tmp_path / "shared.csv").lookup("Niere") == "Kidney_L"


def test_names_with_an_identity_a_date_or_a_number_stay():
    names = approved(**{"GTV Kowalski": "GTV", "PTV_20240131": "PTV", "CTV 31.01.24": "CTV", "GTV 4711889": "GTV",
                        "PTV_6000": "PTV", "Rippe 5 re": "Rib05_R"})  # fmt: skip
    rows, held_back = shareable(names, ["Kowalski^Jan", "", "PAT0815"])
    assert set(rows) == {"PTV_6000", "Rippe 5 re"}
    assert held_back == 4


# --- what comes in -----------------------------------------------------------------------------------------------------------


def test_agreed_names_are_taken_over():
    names = NameMap()
    names.merge({"Lungenmetastase": 2, "Blase": 5})
    conflicts = merge_shared(names, {"a.csv": approved(Bulbi="Eyes", Blase="Bladder"), "b.csv": approved(Bulbi="Eyes")})
    assert conflicts == []
    assert names.lookup("Bulbi") == "Eyes"
    assert names.entries["Bulbi"].rule == "shared by a.csv, b.csv"
    assert (names.entries["Blase"].status, names.entries["Blase"].count) == ("approved", 5)
    assert names.is_undecided("Lungenmetastase")


def test_what_two_hospitals_call_differently_is_left_undecided():
    names = NameMap()
    conflicts = merge_shared(names, {"a.csv": approved(Bulbi="Eyes"), "b.csv": approved(Bulbi="PenileBulb")})
    assert [conflict.roi_name for conflict in conflicts] == ["Bulbi"]
    assert "Eyes (a.csv)" in conflicts[0].text
    assert "PenileBulb (b.csv)" in conflicts[0].text
    assert names.lookup("Bulbi") is None
    assert names.is_undecided("Bulbi")
    assert "a.csv" in names.entries["Bulbi"].doubt


def test_the_order_of_maps_does_not_matter():
    maps = {
        "a": approved(X1="Eyes", Y="Liver"),
        "b": approved(X1="Lens", Y="Liver"),
        "c": approved(X1="Eyes", Z="Heart"),
    }
    results = set()
    for order in itertools.permutations(maps):
        names = NameMap()
        conflicts = merge_shared(names, {key: maps[key] for key in order})
        results.add(json.dumps([[c.text for c in conflicts], {n: vars(e) for n, e in sorted(names.entries.items())}]))
    assert len(results) == 1


def test_a_decision_made_here_stays():
    names = approved(Bulbi="Eyes", Same="Liver")
    names.merge({"Krams": 1})
    names.entries["Krams"].status = "ignored"
    conflicts = merge_shared(names, {"a.csv": approved(Bulbi="PenileBulb", Krams="Liver", Same="Liver")})
    assert {c.roi_name: c.kept for c in conflicts} == {"Bulbi": "Eyes", "Krams": "the decision to ignore it"}
    assert names.lookup("Bulbi") == "Eyes"
    assert names.entries["Krams"].status == "ignored"


@pytest.mark.parametrize(
    ("roi_name", "meaning"),
    [("Niere links", "Kidney_R"), ("z_ring", "Rectum"), ("Bladder", "Rectum"), ("Irgendwas", "Quatsch")],
)
def test_a_shared_name_against_a_sure_rule_or_outside_tg263_is_left_undecided(roi_name, meaning):
    names = NameMap()
    assert len(merge_shared(names, {"a.csv": approved(**{roi_name: meaning})})) == 1
    assert names.lookup(roi_name) is None
    assert names.entries[roi_name].doubt


def test_proposals_of_others_do_not_count():
    other = NameMap()
    other.merge({"Bulbi": 3, "Blase": 1})
    names = NameMap()
    assert merge_shared(names, {"a.csv": other}) == []
    assert names.entries == {}


# --- doubts ------------------------------------------------------------------------------------------------------------------


def test_a_doubt_lowers_a_proposal_and_never_a_decision(tmp_path):
    names = approved(Niere="Kidney_L")
    names.merge({"Kidney_R": 4})
    assert names.lookup("Kidney_R") == "Kidney_R"
    for roi_name in ("Kidney_R", "Niere", "Lung_L"):
        names.doubt(roi_name, "lies on the left\nof the body.")
    assert names.lookup("Kidney_R") is None
    assert names.is_undecided("Kidney_R")
    assert names.lookup("Lung_L") is None  # not in the map before
    assert names.lookup("Niere") == "Kidney_L"
    names.save(tmp_path / "map.csv")
    again = NameMap.load(tmp_path / "map.csv")
    assert again.entries == names.entries
    assert {row["roi_name"]: row["doubt"] for row in rows(tmp_path / "map.csv")}[
        "Kidney_R"
    ] == "lies on the left of the body."
    assert rows(tmp_path / "map.csv")[0]["roi_name"] in ("Kidney_R", "Lung_L")  # what needs a decision stands first
    again.entries["Kidney_R"].status = "approved"
    again.merge({"Kidney_R": 5})
    assert again.lookup("Kidney_R") == "Kidney_R"


def test_a_map_of_an_older_version_is_read(tmp_path):
    old = "roi_name,tg263_name,confidence,rule,count,status\r\nNiere,Kidney_L,0.00,side missing,3,approved\r\n"
    (tmp_path / "old.csv").write_text(old, encoding="utf-8-sig")
    names = NameMap.load(tmp_path / "old.csv")
    assert names.lookup("Niere") == "Kidney_L"
    assert names.entries["Niere"].doubt == ""


def test_a_name_no_rule_knew_is_looked_at_again_and_a_written_one_is_not():
    names = NameMap()
    names.entries["Hueftpfanne li"] = MapEntry(None, 0.0, "unknown", 2)
    names.entries["Blase"] = MapEntry(
        "Urethra", 0.0, "unknown", 2
    )  # written by a person who did not set the status yet
    names.merge({"Hueftpfanne li": 3, "Blase": 3})
    assert names.lookup("Hueftpfanne li") == "Acetabulum_L"
    assert names.entries["Blase"].tg263 == "Urethra"


# --- the command ---------------------------------------------------------------------------------------------------------


def fedrt(*args) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "FedRTDatasetLib", "dataset", "names", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=120)


def test_the_list_says_what_is_used_undecided_and_no_anatomy(tmp_path):
    names = ("Blase", "Niere", "z_ring", "Hueftkopf li", "GTV Doe")
    make_patient(tmp_path / "dicom", rois={name: ((40.0, 30.0), (20.0, 12.0)) for name in names}, slices=8)
    done = fedrt(tmp_path / "dicom", "--map", tmp_path / "map.csv", "--progress", "none")
    assert done.returncode == 0, done.stderr
    blocks = {block.split(" (")[0].split(":")[0].strip(): block for block in done.stdout.split("\n\n")}
    assert "Niere" in blocks["To be decided"]
    assert "side missing" in blocks["To be decided"]
    assert "Bladder" in blocks["Used"]
    assert "Femur_Head_L" in blocks["Used"]
    assert "z_ring" in blocks["No anatomy"]
    assert "Doe" not in done.stdout + done.stderr + (tmp_path / "map.csv").read_text(encoding="utf-8-sig")
    assert "Traceback" not in done.stderr


def test_maps_are_shared_and_merged_without_any_images(tmp_path):
    approved(Bulbi="Eyes", Niere="Kidney_L").save(tmp_path / "a.csv")
    approved(Bulbi="PenileBulb").save(tmp_path / "b.csv")
    assert fedrt("--map", tmp_path / "a.csv", "--export-map", tmp_path / "shared_a.csv").returncode == 0
    done = fedrt(
        "--map", tmp_path / "mine.csv", "--merge", tmp_path / "shared_a.csv", tmp_path / "b.csv", "--progress", "json"
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    told = next(event for event in events if event["event"] == "names")
    assert [conflict["roi_name"] for conflict in told["conflicts"]] == ["Bulbi"]
    mine = NameMap.load(tmp_path / "mine.csv")
    assert mine.lookup("Niere") == "Kidney_L"
    assert mine.lookup("Bulbi") is None


def test_nothing_to_do_is_said(tmp_path):
    done = fedrt()
    assert done.returncode == 1
    assert "Name a source" in done.stderr
    done = fedrt("--map", tmp_path / "absent.csv", "--export-map", tmp_path / "x.csv")
    assert (done.returncode, "does not exist" in done.stderr) == (1, True)
    (tmp_path / "a").mkdir()
    approved(X="Liver").save(tmp_path / "m.csv")
    approved(X="Liver").save(tmp_path / "a" / "m.csv")
    done = fedrt("--map", tmp_path / "new.csv", "--merge", tmp_path / "m.csv", tmp_path / "a" / "m.csv")
    assert "same file name" in done.stderr


def test_confidence_of_what_is_used():
    assert pytest.approx(0.9) == CONFIDENT
    with pytest.raises(FedRTError, match="does not exist"):
        NameMap.load("/nowhere/map.csv")
