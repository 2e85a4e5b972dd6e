"""`fedrt dataset index`: readable, complete as JSON, and without a patient's name."""

import csv
import json

import pydicom
import pytest
from dicom_maker import make_patient, make_series
from FedRTDatasetLib.cli import add_commands
from FedRTDatasetLib.commandline import run
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.index.listing import cohort, summary, table
from FedRTDatasetLib.index.selection import Selection
from FedRTDatasetLib.pseudonym import SiteKey
from test_index_links import registration, structure_set_uid, write


@pytest.fixture
def source(tmp_path):
    """One patient with everything, one with images only, one with an orphan dose."""
    folder = tmp_path / "in" / "one"
    series = make_patient(folder, "MRN-4711", slices=5, rows=4, columns=4, contoured=range(1, 4))
    for file in series.files:
        dataset = pydicom.dcmread(file)
        dataset.SeriesDescription, dataset.StudyDate = "Pelvis of Jane", "20240305"
        dataset.save_as(file)
    plan = write(folder / "plan.dcm", "RTPLAN", series, patient="MRN-4711",
                 ReferencedStructureSetSequence=[structure_set_uid(folder)])  # fmt: skip
    write(folder / "dose.dcm", "RTDOSE", series, patient="MRN-4711", ReferencedRTPlanSequence=[plan])
    registration(folder / "reg.dcm", series.headers[0].FrameOfReferenceUID, {"1.2": []}, patient="MRN-4711")
    make_series(
        tmp_path / "in" / "two", slices=3, rows=4, columns=4, modality="MR", patient="MRN-8888", name="Roe^John"
    )
    (tmp_path / "in" / "three").mkdir()
    write(tmp_path / "in" / "three" / "Doe_Jane.dcm", "RTDOSE", patient="MRN-9999")
    return tmp_path / "in"


def command(*arguments):
    return run([add_commands], ["dataset", "index", *map(str, arguments)])


def test_summary(source):
    found = summary(index_folders([source]))
    assert found["patients"] == 3
    assert found["series"] == {"CT": 1, "MR": 1}
    assert [found[key] for key in ("structure_sets", "plans", "doses", "registrations", "linked_structure_sets")] == [
        1, 1, 2, 1, 1,
    ]  # fmt: skip
    assert [problem["kind"] for problem in found["problems"]] == ["unlinked"]


def test_cohort(source):
    key = SiteKey(b"k" * 32)
    one, two, three = cohort(index_folders([source]), key)
    assert one["pseudonym"] == key.pseudonym("MRN-4711")
    (series,) = one["series"]
    assert (series["modality"], series["slices"], series["rows"]) == ("CT", 5, 4)
    assert series["description"] == "Pelvis of (hidden)"
    assert one["structure_sets"][0]["roi_names"] == ["Bladder", "Rectum"]
    assert one["structure_sets"][0]["on_series"] == one["plans"][0]["structure_set"] == one["doses"][0]["plan"] == 1
    assert one["doses"][0]["structure_set"] == 1
    assert one["registrations"][0]["frames"] == 1
    assert [s["modality"] for s in two["series"]] == ["MR"]
    assert three["doses"][0]["structure_set"] is None
    assert len(three["doses"][0]["doubts"]) == 1


def test_table(source):
    lines = table(cohort(index_folders([source])))
    assert lines[0].split() == ["patient", "series", "slices", "structure", "sets", "plans", "doses", "doubts"]
    assert lines[1].split() == ["1", "1", "CT", "4x4", "Pelvis", "of", "(hidden)", "5", "1", "(2", "ROIs)", "1", "1"]
    assert "1 registration" in lines[2]
    assert lines[4].split() == ["3", "no", "images", "1", "1"]


def test_the_command_as_a_person_uses_it(source, capsys):
    assert command(source, "--progress", "none") == 0
    out, error = capsys.readouterr()
    assert out.startswith("patient")
    assert command(source, "--progress", "json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0] == {"event": "progress", "stage": "index", "done": 0, "of": 0}  # kept from the first run
    assert events[-1]["event"] == "index"
    assert events[-1]["patients"] == 3
    assert events[-1]["files_read"] == 0
    assert [event["text"] for event in events if event["event"] == "warning"]
    assert error and all(
        line.startswith("warning: ") for line in error.splitlines()
    )  # doubts are told without a bar too


def test_all_problems_as_a_table_for_this_site(source, tmp_path, capsys):
    table = tmp_path / "problems.csv"
    assert command(source, "--progress", "none", "--problems", table) == 0
    rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == len(capsys.readouterr().err.splitlines()) > 0
    assert all((source / row["file"]).exists() for row in rows if row["file"])
    assert any(row["file"] for row in rows)
    assert table.stat().st_mode & 0o077 == 0


def test_the_command_as_a_program_uses_it(source, tmp_path, capsys):
    store = tmp_path / "own.sqlite"
    assert command(source, "--json", "--progress", "none", "--index", store) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["files_read"] == 13
    assert len(found["cohort"]) == 3
    assert found["cohort"][0]["pseudonym"] is None  # a listing makes no key
    assert store.exists()
    assert command(source, "--json", "--progress", "none", "--index", store, "--key", tmp_path / "site.key") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["files_read"] == 0
    assert again["cohort"][0]["pseudonym"].startswith("P")


def test_nothing_shows_who_it_is(source, capsys):
    for options in (["--json"], ["--progress", "json"], []):
        assert command(source, *options) == 0
        shown = "".join(capsys.readouterr())
        for secret in ("4711", "8888", "9999", "Doe", "Jane", "Roe", "John"):
            assert secret not in shown
    assert "Doe" not in repr(index_folders([source]).problems)


def test_selection(source):
    """What a selection leaves hangs together: nothing points to what is gone."""
    index = index_folders([source])
    chosen = index.select(Selection(patients=frozenset({"MRN-4711"})))
    assert [one.patient_id for one in chosen.series.values()] == ["MRN-4711"]
    assert chosen.links == index.links
    (structure_set,) = chosen.structure_sets
    assert len(chosen.plans_of(structure_set)) == len(chosen.doses_of(structure_set)) == 1
    assert len(chosen.doses) == 1 and len(chosen.registrations) == 1
    with pytest.raises(KeyError):
        chosen.doses[next(uid for uid in index.doses if uid not in chosen.doses)]

    assert [one.modality for one in index.select(Selection(modalities=frozenset({"MR"}))).series.values()] == ["MR"]
    assert len(index.select(Selection(structures=("Bladder", "Rectum"))).series) == 1
    nothing = index.select(Selection(structures=("Bladder", "Prostate")))
    assert not nothing.series and not nothing.links and not nothing.plan_links
    assert len(index.select(Selection(first_date="20240301", last_date="20240331")).series) == 1
    assert not index.select(Selection(first_date="20250101")).series


def test_thousands_of_identities_are_hidden_fast_enough(tmp_path):
    """Counted, not timed: only the few that may occur in a text are searched for."""
    from FedRTDatasetLib.index import findings as index_findings

    identities = index_findings.Identities(f"MRN-{n}" for n in range(5000))
    looked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_findings, "without_identity", lambda text, *parts: looked.append(len(parts)) or text)
        for n in range(50):
            identities.hidden(f"slice{n:03d}_of_mrn-{n}.dcm is damaged")
    assert max(looked) < 20
    assert "4999" not in identities.hidden("file_mrn-4999.dcm")
