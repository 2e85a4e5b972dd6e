"""De-identification from outside: planted identities, references, pixels, geometry, masks, what happens to bad files."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from dicom_maker import make_patient, make_series
from FedRTDatasetLib import commandline
from FedRTDatasetLib.commands import deidentify as command_deidentify
from FedRTDatasetLib.deidentification import (
    descriptors,
    folders,
    profile,
    verify,
    walk,
)
from FedRTDatasetLib.deidentification.run import deidentify
from FedRTDatasetLib.deidentification.settings import Settings
from FedRTDatasetLib.deidentification.uids import new_uid
from FedRTDatasetLib.deidentification.values import clean_ethnic_group
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.pseudonym import SiteKey
from FedRTDatasetLib.storage.convert import rtstruct_to_segmentation
from planted import MRN, SURNAME, Planted, left_over, plant
from pydicom import dcmread
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

KEY = SiteKey(b"k" * 32)


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Planted:
    return plant(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def out(planted, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("copies") / "out"
    outcome = deidentify(planted.folder, folder, KEY)
    assert outcome.clean
    return folder


def command(arguments: list[str]) -> int:
    return commandline.run([command_deidentify.add_commands], arguments)


def pairs(planted: Planted, out: Path):
    """Original and copy of every file that was written."""
    copies = {str(dataset.SOPInstanceUID): dataset for dataset in map(dcmread, folders.copies_in(out))}
    for path in sorted(planted.folder.rglob("*.dcm")):
        original = dcmread(path, force=True)
        yield original, copies[new_uid(str(original.SOPInstanceUID), KEY)]


def test_the_originals_hold_what_is_planted(planted):
    """The search would find nothing in files that hold nothing."""
    found = {line.split(": ", 1)[1] for line in left_over(planted, planted.folder)}
    assert {f"{value} ({where})" for value, where in planted.values.items()} <= found
    assert {f"UID {uid}" for uid in planted.uids} <= found


def test_not_one_planted_value_is_left(planted, out):
    assert len(list(folders.copies_in(out))) == len(list(planted.folder.rglob("*.dcm")))
    assert left_over(planted, out) == []


def test_nothing_lies_beside_the_output(out):
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_every_reference_resolves(planted, out):
    """What one original said of another, the copies say of each other."""
    for original, copy in pairs(planted, out):
        assert len(list(_references(original))) == len(list(_references(copy)))
    copies = [dcmread(path) for path in folders.copies_in(out)]
    there = {str(c.SOPInstanceUID) for c in copies} | {str(c.StudyInstanceUID) for c in copies}
    there |= {str(c.SeriesInstanceUID) for c in copies}
    assert {uid for c in copies for uid in _references(c)} <= there
    assert sum(1 for c in copies for _ in _references(c)) > 20
    frames = {str(c.FrameOfReferenceUID) for c in copies if c.Modality == "CT"}
    structures = next(c for c in copies if c.Modality == "RTSTRUCT")
    assert {str(item.ReferencedFrameOfReferenceUID) for item in structures.StructureSetROISequence} == frames


def _references(dataset):
    for element in dataset.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            yield str(element.value)


def test_pixels_and_geometry_are_the_same_bit_for_bit(planted, out):
    kept = (
        "PixelData Rows Columns PixelSpacing ImagePositionPatient ImageOrientationPatient GridFrameOffsetVector "
        "DoseGridScaling RescaleSlope RescaleIntercept BitsStored PixelRepresentation"
    )
    compared = 0
    for original, copy in pairs(planted, out):
        for keyword in kept.split():
            assert (keyword in original) == (keyword in copy)
            if keyword in original:
                assert _bytes(original, keyword) == _bytes(copy, keyword)
                compared += 1
        for a, b in zip(_contours(original), _contours(copy), strict=True):
            assert _bytes(a, "ContourData") == _bytes(b, "ContourData")
    assert compared > 100


def _bytes(dataset, keyword):
    value = dataset.get_item(keyword).value
    return value if isinstance(value, bytes) else str(value)


def _contours(dataset):
    return [c for roi in dataset.get("ROIContourSequence", []) for c in roi.get("ContourSequence", [])]


def test_the_copies_have_the_same_links_and_masks(planted, out, tmp_path):
    before, after = index_folders([planted.folder]), index_folders([out])
    assert (len(before.links), len(before.series), len(before.doses), len(before.plans)) == (
        len(after.links), len(after.series), len(after.doses), len(after.plans),
    )  # fmt: skip
    assert len(after.links) == 1 and len(after.doses) == 1
    masks = []
    for number, index in enumerate((before, after)):
        structures = next(iter(index.structure_sets.values()))
        images = next(s for s in index.series.values() if s.modality == "CT")
        target = tmp_path / f"{number}.seg.nrrd"
        rtstruct_to_segmentation(
            Path(next(iter(images.files.values())) if isinstance(images.files, dict) else images.files[0]).parent,
            Path(structures.path),
            target,
        )
        masks.append(_layers(target))
    assert len(masks[0]) == 4 and all(np.array_equal(a, b) for a, b in zip(*masks, strict=True))


def _layers(path: Path) -> list[np.ndarray]:
    import nrrd

    data, header = nrrd.read(str(path))
    layers = data if data.ndim == 4 else data[None]
    return [
        layers[int(header[f"Segment{n}_Layer"])] == int(header[f"Segment{n}_LabelValue"])
        for n in range(sum(key.endswith("_LabelValue") for key in header))
    ]


def test_it_is_told_what_was_done(out):
    for path in folders.copies_in(out):
        dataset = dcmread(path)
        assert dataset.PatientIdentityRemoved == "YES" and dataset.LongitudinalTemporalInformationModified == "MODIFIED"
        codes = [(item.CodeValue, item.CodingSchemeDesignator) for item in dataset.DeidentificationMethodCodeSequence]
        assert codes == [("113100", "DCM"), ("113105", "DCM"), ("113108", "DCM"), ("113107", "DCM")]
        assert profile.EDITION in dataset.DeidentificationMethod
        assert dataset.PatientID == dataset.PatientName == path.relative_to(out).parts[0]
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert set(dataset.file_meta.keys()) <= {
            0x00020000,
            0x00020001,
            0x00020002,
            0x00020003,
            0x00020010,
            0x00020012,
            0x00020013,
        }
        assert dataset.preamble == b"\0" * 128
    report = json.loads((out / "report.json").read_text())
    assert report["files"]["written"] == len(list(folders.copies_in(out))) and report["search"]["found"] == 0
    assert (
        report["actions"]["private removed"]
        and report["actions"]["graphics removed"]
        and report["search"]["values"] > 200
    )


def test_patient_characteristics_and_intervals(planted, out):
    for original, copy in pairs(planted, out):
        if original.PatientID != MRN:
            continue
        assert copy.PatientAge == "090Y" and copy.PatientWeight == original.PatientWeight and not copy.PatientBirthDate
        assert copy.StudyTime == original.StudyTime and copy.AcquisitionDateTime[8:] == "101500.5+0100"
    plan = next(dcmread(p) for p in folders.copies_in(out) if "RTPLAN" in str(p))
    assert (np.datetime64(_iso(plan.RTPlanDate)) - np.datetime64(_iso(plan.StudyDate))).astype(int) == 15


def _iso(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"


def test_roi_names(planted, out):
    structures = next(dcmread(p) for p in folders.copies_in(out) if "RTSTRUCT" in str(p))
    names = [str(item.ROIName) for item in structures.StructureSetROISequence]
    assert names[0] == "Bladder" and len(set(names)) == 4
    assert all(name.startswith("ROI_") for name in names[1:])
    beams = next(dcmread(p) for p in folders.copies_in(out) if "RTPLAN" in str(p)).BeamSequence
    assert (
        beams[0].BeamName.startswith("Beam_")
        and "BeamDescription" not in beams[0]
        and not beams[0].TreatmentMachineName
    )


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
def test_dciodvfy_finds_no_more_errors_than_before(planted, out):
    for original, copy in pairs(planted, out):
        if original.Modality in ("RTSTRUCT", "CT"):
            assert _errors(Path(copy.filename)) <= _errors(Path(original.filename))


def _errors(path: Path) -> set[str]:
    result = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", timeout=60)
    return {line for line in (result.stderr + result.stdout).splitlines() if line.startswith("Error")}


def files_csv(out: Path) -> list[dict[str, str]]:
    with open(out / "files.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- the search ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leak", ["descriptions", "names", "UIDs", "dates", "private"])
def test_the_search_finds_what_a_faulty_rule_lets_through(leak, planted, tmp_path, monkeypatch):
    if leak == "descriptions":
        monkeypatch.setattr(descriptors.Descriptors, "is_clean", lambda *_: True)
    elif leak == "names":
        monkeypatch.setattr(
            walk.Walk, "_take", lambda self, d, copy, raw, tag, *_: self._copied(d, copy, tag), raising=True
        )
    elif leak == "UIDs":
        monkeypatch.setattr(walk, "new_uid", lambda uid, key: uid)
    elif leak == "dates":
        monkeypatch.setattr(walk.dates, "shifted", lambda text, vr, days: text)
    else:
        monkeypatch.setattr(walk.Walk, "_private", lambda self, d, copy, raw, _: self._copied(d, copy, raw.tag))

    def copied(self, dataset, copy, tag):
        self._note(dataset, dataset.get_item(tag), "identity")
        copy[tag] = dataset[tag]

    monkeypatch.setattr(walk.Walk, "_copied", copied, raising=False)
    outcome = deidentify(planted.folder, tmp_path / "out", KEY)
    # Where a patient has a plain file of one kind only, not every file need leak; but those that do are found.
    leaking = {line.partition(":")[0] for line in left_over(planted, tmp_path / "out")}
    assert not outcome.clean and not leaking
    withheld = {p.relative_to(tmp_path / "out.withheld").as_posix() for p in (tmp_path / "out.withheld").rglob("*.dcm")}
    assert withheld == set(outcome.findings)
    rows = files_csv(tmp_path / "out")
    assert {row["file"] for row in rows if row["status"] == "withheld"} == withheld
    assert all("holds what was removed from" in row["reason"] for row in rows if row["status"] == "withheld")


def test_a_leak_ends_the_command_with_1(planted, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(descriptors.Descriptors, "is_clean", lambda *_: True)
    code = command(
        ["deidentify", str(planted.folder), str(tmp_path / "out"), "--key", str(tmp_path / "key"), "--progress", "none"]
    )
    told = capsys.readouterr().err
    assert code == 1 and "out.withheld" in told and SURNAME not in told


def test_common_words_are_no_finding(tmp_path):
    """A patient called Lung, a station called after its maker, a Patient ID among the coordinates' digits."""
    series = make_patient(
        tmp_path / "in", patient="PROSTATE-98765", name="Lung^Philips", rois={"Lung_L": ((40, 30), (9, 9))}
    )
    for path in series.folder.glob("slice*"):
        dataset = dcmread(path)
        dataset.StationName, dataset.Manufacturer, dataset.SeriesDescription = (
            "SIEMENS_1",
            "SIEMENS",
            "CT Pelvis of Lung",
        )
        dataset.SliceLocation, dataset.ImagePositionPatient = (
            "12.98765",
            [dataset.ImagePositionPatient[0], "1.98765", "7.5"],
        )
        dataset.save_as(path)
    outcome = deidentify(tmp_path / "in", tmp_path / "out", KEY)
    assert outcome.clean and outcome.searched["coincidences"] > 0
    structures = next(dcmread(p) for p in folders.copies_in(tmp_path / "out") if "RTSTRUCT" in str(p))
    assert structures.StructureSetROISequence[0].ROIName == "Lung_L"
    slices = [dcmread(p) for p in folders.copies_in(tmp_path / "out") if "/CT_" in p.as_posix()]
    assert {s.Manufacturer for s in slices} == {"SIEMENS"} and {s.SeriesDescription for s in slices} == {"CT Pelvis of"}


# --- every attribute ----------------------------------------------------------------------------------------------------


def test_every_text_attribute_of_the_standard(tmp_path):
    """A nonsense name in each of the Standard's attributes for text and people, at the top and inside a sequence."""
    series = make_series(tmp_path / "in", slices=1)
    dataset = dcmread(series.files[0])
    values, inner = {}, Dataset()
    for number, (tag, (vr, *_, keyword)) in enumerate(sorted(DicomDictionary.items())):
        if vr in ("LO", "SH", "ST", "LT", "UT", "UC", "UR", "PN", "AE") and tag >> 16 > 8 and keyword:
            word = f"Zx{number}qv".replace("1", "a").replace("2", "e").replace("3", "o").replace("0", "u")
            word = "".join(c if c.isalpha() else "klmnpt"[int(c) - 4] for c in word)
            values[word] = tag
            dataset.add_new(tag, vr, word)
            inner.add_new(tag, vr, word)
    dataset.ReferencedImageSequence = Sequence([inner])
    dataset.PatientID = "MRN-4711"
    dataset.save_as(series.files[0])
    assert len(values) > 600
    outcome = deidentify(tmp_path / "in", tmp_path / "out", KEY)
    (copy,) = folders.copies_in(tmp_path / "out")
    data = copy.read_bytes()
    left = {keyword_for_tag(tag) for word, tag in values.items() if word.encode() in data}
    assert outcome.clean and left <= set(walk.TECHNICAL)


def test_every_row_of_the_profile(tmp_path):
    """Each attribute that the table removes, empties or replaces is so treated when nothing is retained."""
    series = make_series(tmp_path / "in", slices=1)
    dataset = dcmread(series.files[0])
    texts = {
        "DA": "20200102",
        "TM": "111213",
        "DT": "20200102111213",
        "UI": "1.2.3.99",
        "CS": "SECRETX",
        "AS": "044Y",
        "DS": "7.25",
        "IS": "4711",
    }
    planted = {}
    for name, row in profile.rows().items():
        if not name.isalnum() or "X" in name or "ODD" in name or name[:4] in ("0000", "0002", "0004"):
            continue
        tag = int(name, 16)
        entry = DicomDictionary.get(tag)
        if entry is None or tag in (0x00080018, 0x0020000D, 0x0020000E, 0x00100010, 0x00100020):
            continue
        if entry[0] == "SQ":
            item = Dataset()
            item.TextValue = "Zuvielzauber"
            dataset.add_new(tag, "SQ", Sequence([item]))
        elif entry[0] in texts or entry[0] in ("LO", "SH", "ST", "LT", "UT", "PN", "AE", "UC", "UR"):
            dataset.add_new(tag, entry[0], texts.get(entry[0], "Zuvielzauber"))
        else:
            continue
        planted[tag] = row.basic
    dataset.save_as(series.files[0])
    outcome = deidentify(tmp_path / "in", tmp_path / "out", KEY, Settings(retain=(), descriptors="remove"))
    copy = dcmread(next(iter(folders.copies_in(tmp_path / "out"))))
    assert outcome.clean and len(planted) > 500
    for tag, basic in planted.items():
        action = profile.basic_action(tag, str(copy.SOPClassUID), False)
        assert action in basic.replace("*", "").split("/")
        value = copy[tag].value if tag in copy else None
        if action == "X":
            assert tag not in copy, keyword_for_tag(tag)
        elif action == "Z":
            assert tag in copy and not value, keyword_for_tag(tag)
        elif action == "D":
            assert tag in copy and value != dataset[tag].value, keyword_for_tag(tag)
        elif copy[tag].VR == "UI":
            assert str(value).startswith("2.25."), keyword_for_tag(tag)
    assert copy.LongitudinalTemporalInformationModified == "REMOVED" and not copy.get("PatientSex")


# --- options ------------------------------------------------------------------------------------------------------------


def copy_of(tmp_path: Path, **settings) -> Dataset:
    series = make_series(tmp_path / "in", slices=1)
    dataset = dcmread(series.files[0])
    dataset.InstitutionName, dataset.StationName, dataset.DeviceSerialNumber = "Klinikum Nord", "LINAC7", "SN12345"
    dataset.StudyDate, dataset.EthnicGroup, dataset.PatientWeight = "20200102", "ABC", "71"
    dataset.add_new(0x00190010, "LO", "GEMS_ACQU_01")
    dataset.add_new(0x00191023, "DS", "12.5")
    dataset.add_new(0x00191024, "LO", "secret")
    dataset.add_new(0x00191099, "LO", "secret")
    dataset.save_as(series.files[0])
    outcome = deidentify(tmp_path / "in", tmp_path / "out", KEY, Settings(**settings))
    assert outcome.clean
    return dcmread(next(iter(folders.copies_in(tmp_path / "out"))))


def test_nothing_is_retained_that_was_not_asked_for(tmp_path):
    copy = copy_of(tmp_path, retain=("none",))
    assert (
        not copy.PatientSex and "PatientWeight" not in copy and not copy.StudyDate and not copy.get("InstitutionName")
    )
    assert not any(element.tag.is_private for element in copy)


def test_ethnic_groups_stay_and_other_text_there_goes(tmp_path):
    assert copy_of(tmp_path).EthnicGroup == "REMOVED"
    assert clean_ethnic_group(["White", "Not Hispanic or Latino", "sister of Mrs Doe"])[2] == "REMOVED"
    assert clean_ethnic_group(["White", "Not Hispanic or Latino"]) == ["White", "Not Hispanic or Latino"]


def test_real_dates_can_be_kept(tmp_path):
    copy = copy_of(tmp_path, retain=("longitudinal-full-dates",))
    assert copy.StudyDate == "20200102" and copy.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert not copy.PatientBirthDate


def test_institution_and_device_can_be_kept(tmp_path):
    copy = copy_of(tmp_path, retain=("institution", "device"))
    assert (copy.InstitutionName, copy.StationName, copy.DeviceSerialNumber) == ("Klinikum Nord", "LINAC7", "SN12345")
    assert {item.CodeValue for item in copy.DeidentificationMethodCodeSequence} == {
        "113100",
        "113105",
        "113112",
        "113109",
    }


def test_original_uids_can_be_kept(tmp_path):
    copy = copy_of(tmp_path, retain=("uids",))
    original = dcmread(tmp_path / "in" / "slice000.dcm")
    assert copy.SOPInstanceUID == original.SOPInstanceUID == copy.file_meta.MediaStorageSOPInstanceUID
    assert copy.FrameOfReferenceUID == original.FrameOfReferenceUID


def test_of_private_attributes_listed_numbers_can_be_kept(tmp_path):
    copy = copy_of(tmp_path, retain=("safe-private",))
    assert {element.tag: element.value for element in copy if element.tag.is_private} == {
        0x00190010: "GEMS_ACQU_01", 0x00191023: 12.5,
    }  # fmt: skip


# --- runs ---------------------------------------------------------------------------------------------------------------


def test_the_same_key_gives_the_same_copies_another_key_others(planted, out, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    deidentify(planted.folder, again, KEY, jobs=1)
    deidentify(planted.folder, other, SiteKey(b"x" * 32))
    first = {p.relative_to(out): p.read_bytes() for p in folders.copies_in(out)}
    assert {p.relative_to(again): p.read_bytes() for p in folders.copies_in(again)} == first
    assert not {p.relative_to(other) for p in folders.copies_in(other)} & set(first)


def test_a_second_run_writes_only_what_is_new(tmp_path):
    make_series(tmp_path / "in" / "a", slices=3)
    deidentify(tmp_path / "in", tmp_path / "out", KEY)
    before = {path: path.stat().st_mtime_ns for path in folders.copies_in(tmp_path / "out")}
    make_series(tmp_path / "in" / "b", slices=2, patient="MRN-7777", name="Roe^Rita")
    shutil.rmtree(tmp_path / "in" / "a")  # copies of originals that are elsewhere now stay, and are searched as well
    outcome = deidentify(tmp_path / "in", tmp_path / "out", KEY)
    assert (
        outcome.searched["files"]
        == 5
        == len([row for row in files_csv(tmp_path / "out") if row["status"] == "written"])
    )
    after = {path: path.stat().st_mtime_ns for path in folders.copies_in(tmp_path / "out")}
    assert len(after) == 5 and sum(before.get(path) == time for path, time in after.items()) == 3
    assert deidentify(tmp_path / "in", tmp_path / "out", KEY).clean
    assert {path: path.stat().st_mtime_ns for path in folders.copies_in(tmp_path / "out")} == after


def test_two_runs_at_once_do_not_meet(tmp_path):
    from FedRTDatasetLib.storage.folder_lock import building

    make_series(tmp_path / "in", slices=1)
    folders.make_private(folders.unverified(tmp_path / "out"))
    with building(folders.unverified(tmp_path / "out")), pytest.raises(FedRTError):
        deidentify(tmp_path / "in", tmp_path / "out", KEY)
    assert deidentify(tmp_path / "in", tmp_path / "out", KEY).clean


def test_copies_under_two_keys_are_not_mixed(tmp_path):
    make_series(tmp_path / "in", slices=1)
    deidentify(tmp_path / "in", tmp_path / "out", KEY)
    with pytest.raises(FedRTError, match="another key"):
        deidentify(tmp_path / "in", tmp_path / "out", SiteKey(b"x" * 32))


def test_an_interrupted_run_goes_on(planted, tmp_path, monkeypatch):
    from FedRTDatasetLib.deidentification import run

    monkeypatch.setattr(run, "_search", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        deidentify(planted.folder, tmp_path / "out", KEY)
    assert not (tmp_path / "out").exists() and (tmp_path / "out.unverified").is_dir()
    monkeypatch.undo()
    written = []
    original = run.deidentify_file
    monkeypatch.setattr(run, "deidentify_file", lambda job, *rest: written.append(job.target) or original(job, *rest))
    assert deidentify(planted.folder, tmp_path / "out", KEY).clean
    assert set(written) == {None} and not (tmp_path / "out.unverified").exists()
    assert left_over(planted, tmp_path / "out") == []


def test_several_processes_do_the_same(tmp_path):
    for number in range(3):
        make_series(tmp_path / "in" / str(number), slices=25, rows=8, columns=8, patient=f"MRN-{number}555")
    for jobs in (1, 2):
        deidentify(tmp_path / "in", tmp_path / str(jobs), KEY, jobs=jobs)
    one, two = (
        {p.relative_to(f): p.read_bytes() for p in folders.copies_in(f)} for f in (tmp_path / "1", tmp_path / "2")
    )
    assert one == two and len(one) == 75


def test_text_in_attributes_for_numbers_goes(tmp_path):
    """A file that lies about what is in its bytes; written by hand, as no library writes it."""
    series = make_series(tmp_path / "in", slices=1)
    dataset = dcmread(series.files[0])
    dataset.TriggerTime, dataset.SliceLocation = "11.25", "12.75"
    dataset.save_as(series.files[0])
    data = series.files[0].read_bytes()
    data = data.replace(b"11.25 ", b"Zauner").replace(b"12.75 ", b"Doe^Ja")
    series.files[0].write_bytes(data)
    outcome = deidentify(tmp_path / "in", tmp_path / "out", KEY)
    (copy,) = folders.copies_in(tmp_path / "out")
    left = copy.read_bytes()
    assert outcome.clean and b"Zauner" not in left and b"Doe^Ja" not in left and not dcmread(copy).SliceLocation


def test_compressed_pixels_stay_as_they_are(tmp_path):
    from pydicom.uid import RLELossless

    series = make_series(tmp_path / "in", slices=2)
    for path in series.files:
        dataset = dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    assert deidentify(tmp_path / "in", tmp_path / "out", KEY).clean
    copies = {c.InstanceNumber: c for c in map(dcmread, folders.copies_in(tmp_path / "out"))}
    for number, path in enumerate(series.files, 1):
        assert copies[number].PixelData == dcmread(path).PixelData
        assert copies[number].file_meta.TransferSyntaxUID == RLELossless
        assert np.array_equal(copies[number].pixel_array, dcmread(path).pixel_array)


def test_bad_files_stop_nothing_and_are_told(tmp_path, capsys):
    series = make_series(tmp_path / "in", slices=4)
    data = series.files[0].read_bytes()
    (tmp_path / "in" / "empty.dcm").write_bytes(b"")
    (tmp_path / "in" / "notes Doe.txt").write_text("Jane Doe")
    (tmp_path / "in" / "cut.dcm").write_bytes(data[: len(data) // 2])
    (tmp_path / "in" / "cut2.dcm").write_bytes(series.files[1].read_bytes()[:300])
    (tmp_path / "in" / "noise.dcm").write_bytes(bytes(range(256)) * 9)
    shutil.copy(series.files[2], tmp_path / "in" / "z_twice.dcm")
    series.files[0].unlink()
    series.files[1].unlink()
    report = dcmread(series.files[3])
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    report.save_as(tmp_path / "in" / "report.dcm")
    arguments = [
        "deidentify",
        str(tmp_path / "in"),
        str(tmp_path / "out"),
        "--key",
        str(tmp_path / "key"),
        "--jobs",
        "1",
    ]
    assert command([*arguments, "--progress", "json"]) == 0
    told = capsys.readouterr().out
    rows = files_csv(tmp_path / "out")
    assert sorted(row["status"] for row in rows) == ["skipped"] * 7 + ["written"] * 2
    reasons = {row["reason"] for row in rows if row["status"] == "skipped"}
    assert {
        "empty file",
        "not a DICOM file",
        "cut off within the pixel data",
        "the same file is there twice",
    } <= reasons
    assert any("Basic Text SR" in reason for reason in reasons)
    assert "Doe" not in told and "MRN-4711" not in told
    assert "report.dcm" in told and "cut.dcm" in told and told.count("; left out.") == 7


def test_objects_with_text_in_their_pixels_are_left_out(tmp_path):
    series = make_series(tmp_path / "in", slices=3)
    for path, changes in zip(
        series.files,
        ({"BurnedInAnnotation": "YES"}, {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, {}),
        strict=True,
    ):
        dataset = dcmread(path)
        dataset.BodyPartExamined = "HEAD"
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)
    outcome = deidentify(tmp_path / "in", tmp_path / "out", KEY)
    assert [row.status for row in outcome.rows].count("skipped") == 2
    written = next(row for row in outcome.rows if row.status == "written")
    assert any("face" in flag for flag in written.flags)
    kept = deidentify(tmp_path / "in", tmp_path / "kept", KEY, Settings(flagged="keep"))
    assert [row.status for row in kept.rows] == ["written"] * 3 and any(
        "Burned In" in flag for row in kept.rows for flag in row.flags
    )


@pytest.mark.parametrize("case", ["inside", "around", "same", "other", "missing", "key"])
def test_folders_that_would_mix_originals_and_copies_are_refused(case, tmp_path):
    source, out, key = tmp_path / "in", tmp_path / "out", tmp_path / "key"
    make_series(source, slices=1)
    if case == "inside":
        out = source / "out"
    elif case == "around":
        out = tmp_path
    elif case == "same":
        out = source
    elif case == "other":
        out.mkdir()
        (out / "thesis.txt").write_text("mine")
    elif case == "missing":
        source = tmp_path / "nowhere"
    else:
        key = out / "site.key"
    with pytest.raises(FedRTError):
        folders.check_folders(source, out, key)
    assert command(["deidentify", str(source), str(out), "--key", str(key), "--progress", "none"]) == 1


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    import errno

    make_series(tmp_path / "in", slices=2)
    from FedRTDatasetLib.deidentification import objects

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(objects, "replacing", full)
    with pytest.raises(FedRTError, match="no room left"):
        deidentify(tmp_path / "in", tmp_path / "out", KEY)
    assert not (tmp_path / "out").exists()


def test_a_reviewed_map_names_the_structures(tmp_path):
    from FedRTDatasetLib.naming.names import MapEntry, NameMap

    make_patient(tmp_path / "in", rois={"Blaeschen Doe": ((40.0, 30.0), (9.0, 9.0))})
    names = NameMap()
    names.entries["Blaeschen Doe"] = MapEntry("Bladder", 1.0, "reviewed", 1, "approved")
    assert deidentify(tmp_path / "in", tmp_path / "out", KEY, names=names).clean
    structures = next(dcmread(p) for p in folders.copies_in(tmp_path / "out") if "RTSTRUCT" in str(p))
    assert structures.StructureSetROISequence[0].ROIName == "Bladder"


REAL_SETS = (
    "rtutils",
    "dicompyler",
    "gantry_tilt_ge",
    "oncentra_phantom",
    "rtdose_orientations",
    "sarcoma_fullsize_mr",
)


@pytest.mark.parametrize("name", REAL_SETS)
def test_real_files(name, real_data, tmp_path):
    """Real objects of many vendors: all are written, nothing is found, links and pixels stay."""
    outcome = deidentify(real_data / name, tmp_path / "out", KEY)
    assert outcome.clean, outcome.findings
    assert {row.reason for row in outcome.rows if row.status == "skipped"} <= {
        "not a DICOM file",
        "empty file",
        "the same file is there twice",
        "another file with the same SOP Instance UID comes first",
    }
    before, after = index_folders([real_data / name]), index_folders([tmp_path / "out"])
    assert len(before.links) == len(after.links)
    if shutil.which("dciodvfy"):
        names = {new_uid(uid, KEY): path for uid, path in _structure_sets(real_data / name)}
        for uid, path in _structure_sets(tmp_path / "out"):
            assert _kinds(_errors(path)) <= _kinds(_errors(names[uid]))


def _structure_sets(folder: Path) -> list[tuple[str, Path]]:
    return [(uid, Path(one.path)) for uid, one in index_folders([folder]).structure_sets.items()]


def _kinds(errors: set[str]) -> set[str]:
    """Errors without the values they quote."""
    return {re.sub(r"<[^>]*>", "", error) for error in errors}


__all__ = ["verify"]
