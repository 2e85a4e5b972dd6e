"""DICOM to dataset: exact, de-identified, resumable, and not stopped by bad input."""

import csv
import json
import re
import shutil
import string
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_maker import add_rtstruct, ellipse, make_patient, make_series
from dose_maker import make_dose
from FedRTDatasetLib.building import build as build_module
from FedRTDatasetLib.building.build import build_dataset
from FedRTDatasetLib.building.build_settings import BuildSettings
from FedRTDatasetLib.contouring.contours import read_contours
from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
from FedRTDatasetLib.contouring.rtstruct_write import RoiContours, write_rtstruct
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.preprocess import Processing
from FedRTDatasetLib.imaging.series import load_series
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.naming.names import NameMap
from FedRTDatasetLib.notes import TEXTS, Check, sentence
from FedRTDatasetLib.pseudonym import SiteKey
from FedRTDatasetLib.storage.dataset import (
    Dataset,
    read_image,
    read_images,
    read_structures,
)
from pydantic import ValidationError

OWN_GRID = BuildSettings(name="test", structures=("Bladder", "Rectum"), processing=Processing(intensity="none"))
KEY = SiteKey(b"k" * 32)


def build(source: Path, out: Path, settings=OWN_GRID, names=None):
    index = index_folders([source])
    names = names or NameMap()
    names.merge(Counter(name for rt in index.structure_sets.values() for name in rt.roi_names))
    return build_dataset(index, settings, out, KEY, names)


def test_image_and_masks_are_exact_on_the_own_grid(tmp_path):
    series = make_patient(tmp_path / "in")
    build(tmp_path / "in", tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
    (case,) = dataset.cases
    image = read_image(case)
    assert np.array_equal(sitk.GetArrayFromImage(image), series.voxels)
    assert image.GetSpacing() == (2.0, 1.5, 3.0)
    assert image.GetOrigin() == (-50.0, -30.0, 20.0)
    masks, labelled = read_structures(case, ["Bladder", "Rectum", "Prostate"])
    assert labelled.tolist() == [True, True, False]
    y, x = np.mgrid[:40, :48]
    inside = ((x * 2.0 - 40) / 20) ** 2 + ((y * 1.5 - 30) / 12) ** 2 < 1
    for k in range(8):
        truth = inside if 2 <= k < 6 else np.zeros_like(inside)
        # A 400-gon cuts a pixel centre off the ellipse only where it lies within 0.002 mm of it.
        assert (masks[0, k] != truth).sum() <= 1
    assert not masks[2].any()
    assert case.volumes_cm3["Bladder"] == pytest.approx(masks[0].sum() * 9e-3, abs=1e-3)


def test_harmonised_grid_and_window(tmp_path):
    make_patient(tmp_path / "in")
    processing = Processing(spacing_mm=(3, 3, 3), intensity="hu_window", hu_window=(-50, 150))
    build(tmp_path / "in", tmp_path / "out", OWN_GRID.model_copy(update={"processing": processing}))
    (case,) = Dataset.open(tmp_path / "out").cases
    image = read_image(case)
    values = sitk.GetArrayFromImage(image)
    assert image.GetSpacing() == (3.0, 3.0, 3.0)
    assert image.GetSize() == (32, 20, 8)
    assert 0 <= values.min() < values.max() <= 1
    masks, _ = read_structures(case, ["Bladder"])
    assert masks.shape == (1, 8, 20, 32)
    assert masks.sum() * 27 == pytest.approx(np.pi * 20 * 12 * 12, rel=0.05)


def test_nothing_written_holds_the_patient(tmp_path):
    source = make_patient(tmp_path / "Doe_Jane", "MRN-4711")
    add_rtstruct(
        source,
        {
            "Bladder": [source.plane(3, ellipse((40, 30), (20, 12)))],
            "Doe GTV": [source.plane(3, ellipse((9, 9), (5, 5)))],
        },
    )
    build(tmp_path, tmp_path / "out")
    uids = [str(v) for h in source.headers for v in (h.SOPInstanceUID, h.SeriesInstanceUID, h.StudyInstanceUID)]
    secrets = ["4711", "Doe", "Jane", "19500101", *uids]
    for path in (tmp_path / "out").rglob("*"):
        content = path.name if path.is_dir() else path.name + path.read_bytes().decode("latin-1")
        assert not [secret for secret in secrets if secret in content], path


def test_same_key_same_case_other_key_other_case(tmp_path):
    make_patient(tmp_path / "in")
    build(tmp_path / "in", tmp_path / "one")
    build(tmp_path / "in", tmp_path / "two")
    index = index_folders([tmp_path / "in"])
    build_dataset(index, OWN_GRID, tmp_path / "three", SiteKey(b"x" * 32), NameMap())
    one, two, three = (Dataset.open(tmp_path / name).cases[0].id for name in ("one", "two", "three"))
    assert one == two != three


def test_second_run_changes_nothing_and_a_new_patient_is_added(tmp_path, monkeypatch):
    make_patient(tmp_path / "in" / "a", "one")
    build(tmp_path / "in", tmp_path / "out")
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    build(tmp_path / "in", tmp_path / "out")
    assert before == {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}

    make_patient(tmp_path / "in" / "b", "two")
    built = []
    original = build_module.build_case
    monkeypatch.setattr(build_module, "build_case", lambda s, *rest: built.append(s.case_id) or original(s, *rest))
    build(tmp_path / "in", tmp_path / "out")
    assert len(Dataset.open(tmp_path / "out").cases) == 2
    assert len(built) == 1


def test_half_written_dataset_is_refused_and_finished_by_the_next_build(tmp_path, monkeypatch):
    for name in "abc":
        make_patient(tmp_path / "in" / name, name)
    original, built = build_module.build_case, []

    def stop_at_second(source, *rest):
        if built:
            raise KeyboardInterrupt
        built.append(source)
        return original(source, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(build_module, "build_case", stop_at_second)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "in", tmp_path / "out")
    with pytest.raises(FedRTError, match=r"was not finished: run the same .* again"):
        Dataset.open(tmp_path / "out")
    (tmp_path / "out" / "cases" / ".Pdead.x.partial").mkdir()
    build(tmp_path / "in", tmp_path / "out")
    assert len(Dataset.open(tmp_path / "out").cases) == 3
    assert not list((tmp_path / "out" / "cases").glob(".*"))


def test_case_that_lost_a_file_is_built_again(tmp_path):
    make_patient(tmp_path / "in")
    build(tmp_path / "in", tmp_path / "out")
    (case,) = Dataset.open(tmp_path / "out").cases
    (case.folder / "image.nrrd").unlink()
    with pytest.raises(FedRTError, match=rf"case {case.id} lacks its file image\.nrrd"):
        Dataset.open(tmp_path / "out")
    build(tmp_path / "in", tmp_path / "out")
    assert read_image(Dataset.open(tmp_path / "out").cases[0]).GetSize() == (48, 40, 8)


def test_name_nobody_knows_is_not_used_and_the_map_can_name_it(tmp_path):
    make_patient(tmp_path / "in", rois={"Bladder": ((40, 30), (20, 12)), "Struktur 17": ((40, 45), (10, 8))})
    build(tmp_path / "in", tmp_path / "out")
    assert Dataset.open(tmp_path / "out").cases[0].labelled == ["Bladder"]

    path = tmp_path / "map.csv"
    names = NameMap()
    names.merge(Counter({"Bladder": 1, "Struktur 17": 1}))
    assert names.is_undecided("Struktur 17")
    names.save(path)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    columns = lines[0].split(",")
    row = dict(
        zip(columns, lines[next(i for i, line in enumerate(lines) if "Struktur 17" in line)].split(","), strict=True)
    )
    row |= {"tg263_name": "Rectum", "status": "approved"}
    lines = [line for line in lines if "Struktur 17" not in line] + [",".join(row[column] for column in columns)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    build(tmp_path / "in", tmp_path / "out", names=NameMap.load(path))
    assert Dataset.open(tmp_path / "out").cases[0].labelled == ["Bladder", "Rectum"]


def test_broken_patients_do_not_stop_the_others(tmp_path):
    make_patient(tmp_path / "in" / "good", "good")
    short = make_patient(tmp_path / "in" / "short", "short")
    for file in short.files[1:]:
        file.write_bytes(file.read_bytes()[:-200])
    make_patient(tmp_path / "in" / "mr", "mr", modality="MR")
    nothing = make_series(tmp_path / "in" / "nothing", patient="nothing")
    add_rtstruct(nothing, {"Struktur 17": [nothing.plane(3, ellipse((40, 30), (9, 9)))]})
    problems = build(tmp_path / "in", tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
    assert [case.patient for case in dataset.cases] == [KEY.pseudonym("good")]
    skipped = {p.text.split(":")[0].split()[1].split("-")[0]: p.text for p in problems if p.kind == "case-skipped"}
    assert skipped.keys() == {KEY.pseudonym(name) for name in ("short", "mr", "nothing")}
    assert "fewer than two readable slices" in skipped[KEY.pseudonym("short")]
    assert "images are MR" in skipped[KEY.pseudonym("mr")]
    assert "none of the wanted structures" in skipped[KEY.pseudonym("nothing")]
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["skipped"]["case-skipped"] == 3


def test_missing_slice_is_bridged_and_noted_in_the_case(tmp_path):
    series = make_patient(tmp_path / "in")
    series.files[4].unlink()
    problems = build(tmp_path / "in", tmp_path / "out")
    (case,) = Dataset.open(tmp_path / "out").cases
    assert case.grid.size == (48, 40, 8)
    assert any("1 slice(s) missing" in note for note in case.notes)
    assert any("missing" in problem.text for problem in problems)
    masks, _ = read_structures(case, ["Bladder"])
    assert masks[0, 4].sum() == masks[0, 3].sum()


def test_nothing_to_build_says_why(tmp_path):
    make_series(tmp_path / "in")
    with pytest.raises(FedRTError, match="no structure set with its images"):
        build(tmp_path / "in", tmp_path / "out")


def test_other_settings_or_a_foreign_folder_are_refused(tmp_path):
    make_patient(tmp_path / "in")
    build(tmp_path / "in", tmp_path / "out")
    other = OWN_GRID.model_copy(update={"processing": Processing(spacing_mm=(3, 3, 3))})
    with pytest.raises(FedRTError, match="other processing settings"):
        build(tmp_path / "in", tmp_path / "out", other)
    with pytest.raises(FedRTError, match="is no dataset"):
        build(tmp_path / "in", tmp_path / "in")


def test_splits_are_by_patient_and_stay(tmp_path):
    for n in range(10):
        make_patient(
            tmp_path / "in" / f"p{n}",
            f"patient {n}",
            rows=20,
            columns=24,
            slices=4,
            contoured=range(1, 3),
            rois={"Bladder": ((20, 15), (9, 8))},
        )
    settings = OWN_GRID.model_copy(
        update={"splits": OWN_GRID.splits.model_copy(update=dict(train=6, validation=1, test=3))}
    )
    build(tmp_path / "in", tmp_path / "out", settings)
    dataset = Dataset.open(tmp_path / "out")
    assert Counter(case.split for case in dataset.cases) == {"train": 6, "validation": 1, "test": 3}
    before = {case.id: case.split for case in dataset.cases}
    make_patient(
        tmp_path / "in" / "p0b",
        "patient 0",
        rows=20,
        columns=24,
        slices=4,
        contoured=range(1, 3),
        rois={"Bladder": ((20, 15), (9, 8))},
    )
    make_patient(
        tmp_path / "in" / "q",
        "patient new",
        rows=20,
        columns=24,
        slices=4,
        contoured=range(1, 3),
        rois={"Bladder": ((20, 15), (9, 8))},
    )
    build(tmp_path / "in", tmp_path / "out", settings)
    after = {case.id: case for case in Dataset.open(tmp_path / "out").cases}
    assert len(after) == 12
    assert before.items() <= {name: case.split for name, case in after.items()}.items()
    same = [case.split for case in after.values() if case.patient == KEY.pseudonym("patient 0")]
    assert len(same) == 2
    assert len(set(same)) == 1


def test_patients_with_the_same_images_stay_in_one_split_and_are_listed(tmp_path):
    """One person under two identifiers must not be in training and test at once."""
    small = dict(rows=20, columns=24, slices=4, contoured=range(1, 3), rois={"Bladder": ((20, 15), (9, 8))})
    for n in range(6):
        make_patient(tmp_path / "in" / f"p{n}", f"patient {n}", **small)
    build(tmp_path / "in", tmp_path / "out")
    split = {case.patient: case.split for case in Dataset.open(tmp_path / "out").cases}
    for n in range(6):  # every one a second time, new UIDs, another identifier
        make_patient(tmp_path / "in" / f"q{n}", f"twin {n}", seed=zlib.crc32(f"patient {n}".encode()), **small)
    problems = build(tmp_path / "in", tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
    after = {case.patient: case.split for case in dataset.cases}
    assert len(after) == 12
    for n in range(6):
        one, twin = KEY.pseudonym(f"patient {n}"), KEY.pseudonym(f"twin {n}")
        assert after[one] == after[twin] == split[one]
        assert sorted([one, twin]) in dataset.build_record.duplicates
    assert sum(problem.kind == "duplicate-patients" for problem in problems) == 6


def test_of_several_structure_sets_the_approved_one_then_the_richest_then_the_newest(tmp_path):
    def add(file, rois, date, approved=False):
        path = add_rtstruct(series, {name: [series.plane(3, ellipse((40, 30), (r, 8)))] for name, r in rois.items()},
                            tmp_path / "in" / file)  # fmt: skip
        dataset = pydicom.dcmread(path)
        dataset.StructureSetDate, dataset.StructureSetTime = date, "120000"
        dataset.ApprovalStatus = "APPROVED" if approved else "UNAPPROVED"
        dataset.save_as(path)

    def used():
        problems = build(tmp_path / "in", tmp_path / "out")
        (case,) = Dataset.open(tmp_path / "out").cases
        return case.labelled, case.volumes_cm3["Bladder"], [p for p in problems if p.kind == "structure-set-unused"]

    series = make_series(tmp_path / "in")
    add("a.dcm", {"Bladder": 10}, "20200101")
    _, small, unused = used()
    assert unused == []
    add("b.dcm", {"Bladder": 20}, "20210101")
    labelled, newer, unused = used()
    assert newer > 1.8 * small
    assert "a.dcm" in unused[0].text
    add("c.dcm", {"Bladder": 10, "Rectum": 5}, "20190101")
    assert used()[0] == ["Bladder", "Rectum"]
    add("d.dcm", {"Bladder": 10}, "20180101", approved=True)
    labelled, volume, unused = used()
    assert (labelled, volume) == (["Bladder"], small)
    add("e.dcm", {"Struktur 17": 10}, "20220101", approved=True)  # nothing that is wanted
    assert used()[0] == ["Bladder"]
    assert len(used()[2]) == 4


def test_a_rebuilt_case_keeps_its_corrections(tmp_path):
    series = make_patient(tmp_path / "in")
    build(tmp_path / "in", tmp_path / "out")
    (case,) = Dataset.open(tmp_path / "out").cases
    (case.folder / "versions").mkdir()
    (case.folder / "versions" / "mine.txt").write_text("a person's work")
    add_rtstruct(series, {"Bladder": [series.plane(3, ellipse((40, 30), (9, 9)))]})
    build(tmp_path / "in", tmp_path / "out")
    (again,) = Dataset.open(tmp_path / "out", version="original").cases
    assert again.labelled == ["Bladder"] != case.labelled
    assert (case.folder / "versions" / "mine.txt").read_text() == "a person's work"
    assert any(check.kind == "corrected-versions" for check in again.checks)


def test_several_cases_at_once_make_the_same_dataset(tmp_path):
    for name in "abcde":
        make_patient(tmp_path / "in" / name, name)
    make_patient(tmp_path / "in" / "mr", "mr", modality="MR")
    index = index_folders([tmp_path / "in"])
    for jobs in (1, 3):
        build_dataset(index, OWN_GRID, tmp_path / str(jobs), KEY, NameMap(), jobs=jobs)
    one, three = (_without_hash_of_dated_file(tmp_path / n) for n in "13")
    assert one == three
    assert len(one) == 7


def _without_hash_of_dated_file(dataset: Path) -> dict:
    """All JSON of a dataset; a `.seg.nrrd` holds the moment it was written, so its hash differs."""
    found = {p.relative_to(dataset): json.loads(p.read_text()) for p in sorted(dataset.rglob("*.json"))}
    for content in found.values():
        content.get("sha256", {}).pop("structures.seg.nrrd", None)
    return found


def test_what_was_done_stands_in_the_case(tmp_path):
    make_patient(tmp_path / "in", offsets=[0, 3, 6, 9, 15, 18, 21, 24])
    processing = Processing(spacing_mm=(3, 3, 3), crop="body")
    build(tmp_path / "in", tmp_path / "out", OWN_GRID.model_copy(update={"processing": processing}))
    (case,) = Dataset.open(tmp_path / "out").cases
    assert [step.step for step in case.steps if not step.structure] == [
        "read", "bridge-gaps", "rescale", "orient", "crop", "resample", "hu-window",
    ]  # fmt: skip
    bridged = case.steps[1].parameters
    assert (bridged["step_mm"], bridged["missing"]) == (3.0, 1)
    assert case.steps[-1].structure == "Rectum" and case.steps[-1].step == "interpolate-contours"
    assert case.source_grid.widest_gap_mm == 6.0
    assert case.images[0].units == "HU"
    assert case.notes == [check.text for check in case.checks]


def test_without_processing_the_modality_decides(tmp_path):
    def processing(folder, settings):
        build(folder, tmp_path / ("out" + folder.name), settings)
        return Dataset.open(tmp_path / ("out" + folder.name)).processing

    make_patient(tmp_path / "ct")
    make_patient(tmp_path / "mr", modality="MR")
    nothing = BuildSettings(structures=("Bladder", "Rectum"))
    ct, mr = processing(tmp_path / "ct", nothing), processing(tmp_path / "mr", nothing)
    assert (ct.modality, ct.intensity, ct.n4, ct.spacing_mm) == ("CT", "hu_window", False, (1.5, 1.5, 3.0))
    assert (mr.modality, mr.intensity, mr.n4, mr.spacing_mm) == ("MR", "zscore", True, (1.0, 1.0, 3.0))
    part = BuildSettings(processing=Processing(spacing_mm=(4, 4, 4)), structures=("Bladder", "Rectum"))
    shutil.rmtree(tmp_path / "outmr")
    assert processing(tmp_path / "mr", part).intensity == "zscore"
    # A dataset keeps what it is, whatever is added.
    for name in "xyz":
        make_patient(tmp_path / "ct" / name, name, modality="MR")
    assert processing(tmp_path / "ct", nothing).modality == "CT"


def test_a_dataset_from_before_is_still_read(tmp_path):
    make_patient(tmp_path / "in")
    build(tmp_path / "in", tmp_path / "out")
    (case,) = Dataset.open(tmp_path / "out").cases
    for path, keep in (
        (case.folder / "case.json", ("id", "patient", "split", "source", "grid", "labelled", "volumes_cm3", "sha256")),
        (tmp_path / "out" / "dataset.json", ("format", "state", "name", "structures", "cases", "skipped", "software")),
    ):
        content = json.loads(path.read_text())
        old = {key: content[key] for key in keep}
        if path.name == "case.json":
            old |= {"plan": {"prescription_gy": 60.0, "fractions": 30, "dose_max_gy": 64.0}, "notes": ["a note"]}
        else:
            names = ("modality", "spacing_mm", "intensity", "hu_window", "n4")
            old["processing"] = {name: content["processing"][name] for name in names}
        path.write_text(json.dumps(old))
    (tmp_path / "out" / "build.json").unlink()
    dataset = Dataset.open(tmp_path / "out")
    assert dataset.cases[0].plan.fractions == 30
    assert list(read_images(dataset.cases[0])) == ["image"]
    assert dataset.build_record.skipped == []
    assert dataset.processing == case.images[0].processing
    build(tmp_path / "in", tmp_path / "out")  # and goes on
    (tmp_path / "out" / "dataset.json").write_text('{"format": 2}')
    with pytest.raises(FedRTError, match="not valid"):
        Dataset.open(tmp_path / "out")


def test_what_is_skipped_is_listed_without_names_and_in_full_beside_the_dataset(tmp_path):
    source = tmp_path / "Doe_Jane"
    make_patient(source / "good", "good", name="Doe^Jane")
    short = make_patient(source / "short", "MRN-4711")
    for file in short.files[1:]:
        file.write_bytes(file.read_bytes()[:-200])
    alone = make_series(source / "alone", patient="alone")
    add_rtstruct(alone, {"Struktur Doe": [alone.plane(3, ellipse((40, 30), (9, 9)))]}, source / "rs.dcm")
    make_series(source / "nothing", patient="nothing")
    (source / "Doe.dcm").write_bytes(b"")
    build(source, tmp_path / "out")
    dataset = Dataset.open(tmp_path / "out")
    kinds = {item.kind for item in dataset.build_record.skipped}
    assert {"case-skipped", "series-unused", "unreadable", "roi-name-unknown"} <= kinds
    assert dataset.build_record.counts == dataset.record.skipped
    inside = (tmp_path / "out" / "build.json").read_text()
    assert not [word for word in ("Doe", "4711", ".dcm", str(tmp_path)) if word in inside]
    assert all(item.text and "{" not in item.text for item in dataset.build_record.skipped)
    table = tmp_path / "out.skipped.csv"
    rows = list(csv.DictReader(table.open(encoding="utf-8-sig")))
    assert len(rows) == len(dataset.build_record.skipped)
    assert any("fewer than two readable slices" in row["text"] for row in rows if row["kind"] == "case-skipped")
    assert not any("Doe" in row["text"] for row in rows)
    assert str(source / "Doe.dcm") in {row["file"] for row in rows}  # how else is it to be found
    assert table.stat().st_mode & 0o077 == 0


def test_a_name_that_geometry_contradicts_is_not_used_until_a_person_decides(tmp_path, monkeypatch):
    from FedRTDatasetLib.anatomy import checks as anatomy
    from FedRTDatasetLib.finding import Finding

    make_patient(tmp_path / "in")
    question = next(iter(sorted(anatomy.QUESTIONS_NAME)))
    monkeypatch.setattr(
        anatomy,
        "check_structures",
        lambda masks, grid: [Finding(question, "it is not there.", "Rectum", "error")] if "Rectum" in masks else [],
    )
    names = NameMap()
    problems = build(tmp_path / "in", tmp_path / "out", names=names)
    (case,) = Dataset.open(tmp_path / "out").cases
    assert case.labelled == ["Bladder"]
    assert names.is_undecided("Rectum")
    assert any(p.kind == "name-doubted" and "approve it" in p.text for p in problems)
    assert "Rectum" not in (tmp_path / "out" / "build.json").read_text()
    names.entries["Rectum"].status = "approved"  # the person knows better
    build(tmp_path / "in", tmp_path / "out", names=names)
    assert Dataset.open(tmp_path / "out").cases[0].labelled == ["Bladder", "Rectum"]


def test_a_case_with_corrections_is_never_dropped(tmp_path):
    series = make_patient(tmp_path / "in")
    build(tmp_path / "in", tmp_path / "out")
    (case,) = Dataset.open(tmp_path / "out").cases
    (case.folder / "versions").mkdir()
    (case.folder / "versions" / "mine.txt").write_text("a person's work")
    add_rtstruct(series, {"Struktur 17": [series.plane(3, ellipse((40, 30), (9, 9)))]})
    problems = build(tmp_path / "in", tmp_path / "out")
    (again,) = Dataset.open(tmp_path / "out", version="original").cases
    assert again == case
    assert any("stays as it was" in problem.text for problem in problems)


def test_every_kind_of_problem_has_a_sentence():
    from FedRTDatasetLib.index.findings import KINDS

    assert TEXTS.keys() >= KINDS
    library = Path(build_module.__file__).parent
    written = set(re.findall(r'(?:Check\(\s*kind=|Problem\(|skipped\.add\()\s*"([a-z0-9-]+)"',
                             "\n".join(path.read_text(encoding="utf-8") for path in library.rglob("*.py"))))  # fmt: skip
    assert len(written) > 20
    assert written - {"note"} <= TEXTS.keys()


def test_a_link_by_the_frame_of_reference_alone_is_told_in_the_case(tmp_path):
    series = make_series(tmp_path / "in")
    path = add_rtstruct(series, {"Bladder": [series.plane(3, ellipse((40, 30), (20, 12)))]})
    dataset = pydicom.dcmread(path)
    del dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    for item in dataset.ROIContourSequence:
        for contour in item.ContourSequence:
            del contour.ContourImageSequence
    dataset.save_as(path)
    build(tmp_path / "in", tmp_path / "out")
    (case,) = Dataset.open(tmp_path / "out").cases
    assert "link-doubtful" in {check.kind for check in case.checks}


def test_the_contours_as_drawn_are_kept_beside_the_mask(tmp_path):
    series = make_series(tmp_path / "in")
    polygons = [series.plane(k, ellipse((40, 30), (20, 12))) for k in range(2, 6)]
    path = add_rtstruct(series, {"Harnblase": polygons, "Bladder Doe": polygons[:1]})
    build(tmp_path / "in", tmp_path / "out")
    (case,) = Dataset.open(tmp_path / "out").cases
    (stored,) = read_contours(case.folder / "contours.npz")
    (drawn, _) = read_rtstruct(path)
    assert stored.name == "Bladder"
    assert all(np.array_equal(a.points, b.points) for a, b in zip(stored.contours, drawn.contours, strict=True))
    assert "contours.npz" in case.sha256


def test_every_text_can_be_made_from_its_numbers():
    for kind, text in TEXTS.items():
        fields = {field for _, field, _, _ in string.Formatter().parse(text) if field}
        assert "?" not in sentence(kind, dict.fromkeys(fields, 1)).rstrip("?") or text.endswith("?")
        Check(kind=kind, values={field: 1 for field in fields - {"structure", "image"}})


@pytest.mark.parametrize("value", ["Doe^Jane", "20200101", "Max Mustermann", "a" * 40, "1.2.840.1"])
def test_a_record_takes_no_free_text(value):
    with pytest.raises(ValidationError):
        Check(kind="side", values={"what": value})
    with pytest.raises(ValidationError):
        Check(kind="side", values={value: 1})


def test_originals_are_not_touched(tmp_path):
    make_patient(tmp_path / "in")
    shutil.copytree(tmp_path / "in", tmp_path / "copy")
    build(tmp_path / "in", tmp_path / "out")
    for path in (tmp_path / "copy").iterdir():
        assert (tmp_path / "in" / path.name).read_bytes() == path.read_bytes()
        pydicom.dcmread(path)
    assert len(list((tmp_path / "in").iterdir())) == len(list((tmp_path / "copy").iterdir()))


def test_real_sarcoma_patients(tmp_path, real_data):
    source = real_data / "sarcoma_mr" / "hospital_a"
    settings = BuildSettings(structures=("GTVp",), processing=Processing(modality="MR", n4=False, spacing_mm=(3, 3, 4)))
    problems = build(source, tmp_path / "out", settings)
    dataset = Dataset.open(tmp_path / "out")
    assert len(dataset.cases) == 10
    assert {problem.kind for problem in problems} <= {"note", "images-missing"}  # its images were cropped after drawing
    for case in dataset.cases:
        assert case.labelled == ["GTVp"]
        values = sitk.GetArrayFromImage(read_image(case))
        assert np.isfinite(values).all()
        assert 0.3 < values.std() < 3


def test_real_tilted_head(tmp_path, real_data):
    """A GE head CT with a gantry tilt of 18.5 degrees and three slice distances: a ball drawn on its slices stays a ball."""
    shutil.copytree(real_data / "gantry_tilt_ge", tmp_path / "in")
    (series,) = index_folders([tmp_path / "in"]).series.values()
    loaded = load_series(series)
    stack, radius = loaded.stack, 35.0
    middle = 14
    centre = stack.to_patient(np.array([[250.0, 250.0]]), middle)[0]
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)[:, None]
    polygons = []
    for offset in stack.offsets - stack.offsets[middle]:
        if abs(offset) < radius:
            across = np.sqrt(radius**2 - offset**2)
            circle = np.cos(angle) * stack.row_direction + np.sin(angle) * stack.column_direction
            polygons.append(centre + offset * stack.normal + across * circle)
    write_rtstruct(tmp_path / "in" / "rs.dcm", loaded.headers, [RoiContours("Brain", polygons)], "test")
    build(tmp_path / "in", tmp_path / "out", BuildSettings(structures=("Brain",)))
    (case,) = Dataset.open(tmp_path / "out").cases
    assert case.source_grid.tilt_degrees == pytest.approx(18.5, abs=0.1)
    assert {"gantry-tilt", "uneven-slices"} <= {check.kind for check in case.checks}
    masks, _ = read_structures(case, ["Brain"])
    found = np.argwhere(masks[0])[:, ::-1] * case.grid.spacing_mm
    points = found @ np.reshape(case.grid.direction, (3, 3)).T + case.grid.origin_mm
    distance = np.linalg.norm(points - centre, axis=1)
    assert distance.max() < radius + 3
    assert case.volumes_cm3["Brain"] == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.02)


def test_real_eclipse_prostate_with_its_dose(tmp_path, real_data):
    problems = build(real_data / "eclipse_prostate", tmp_path / "out", BuildSettings())
    (case,) = Dataset.open(tmp_path / "out").cases
    assert {"Bladder", "Rectum", "Femur_Head_L", "Femur_Head_R"} <= set(case.labelled)
    assert not [problem for problem in problems if problem.kind == "case-skipped"]
    assert not [check for check in case.checks if check.severity == "error"]
    dose = sitk.ReadImage(str(case.folder / "dose.nrrd"))
    assert dose.GetSize() == case.grid.size
    assert sitk.GetArrayViewFromImage(dose).max() == pytest.approx(case.plan.dose_max_gy, abs=0.001)
    original = pydicom.dcmread(real_data / "eclipse_prostate" / "rd.dcm")
    highest = original.pixel_array.max() * float(original.DoseGridScaling)
    assert case.plan.dose_max_gy == pytest.approx(highest, rel=0.01)


def test_structure_sets_on_two_modalities_are_told_at_once(tmp_path):
    make_patient(tmp_path / "in" / "a", "A")
    make_patient(tmp_path / "in" / "b", "B")
    make_patient(tmp_path / "in" / "c", "C", modality="MR")
    problems = build(tmp_path / "in", tmp_path / "out", BuildSettings(name="mixed"))
    (told,) = (problem.text for problem in problems if problem.kind == "modalities-several")
    assert "CT and MR images; this dataset is of CT" in told
    assert len(Dataset.open(tmp_path / "out").cases) == 2


def test_a_dose_far_from_the_images_is_no_dose_of_zero(tmp_path):
    series = make_patient(tmp_path / "in")
    frame = series.headers[0].FrameOfReferenceUID
    make_dose(tmp_path / "in" / "RD.dcm", np.full((4, 8, 8), 2.0), origin=(9000, 0, 0), FrameOfReferenceUID=frame)
    build(tmp_path / "in", tmp_path / "out")
    (case,) = Dataset.open(tmp_path / "out").cases
    assert not (case.folder / "dose.nrrd").exists()
    assert case.plan.dose_max_gy is None
    assert "dose-elsewhere" in {check.kind for check in case.checks}
