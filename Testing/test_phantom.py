"""The phantom cohort: repeatable, valid DICOM, and its contours, images, doses and names fit together."""

import math
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from FedRTDatasetLib.contouring.rasterise import rasterise
from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
from FedRTDatasetLib.dosimetry.dose import planned_dose
from FedRTDatasetLib.dosimetry.plan_values import plan_values
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.geometry import stack_of_image, to_image
from FedRTDatasetLib.imaging.preprocess import grid_of
from FedRTDatasetLib.imaging.series import load_series
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.naming.names import NameMap
from FedRTDatasetLib.phantom.anatomy import ORGANS, draw_anatomy
from FedRTDatasetLib.phantom.cohort import invent_person, write_cohort, write_patient
from FedRTDatasetLib.phantom.contours import area, section, target_volume
from FedRTDatasetLib.phantom.hospitals import (
    HOSPITALS,
    LINDENTAL,
    NORTHBROOK,
    SANTA_ELENA,
)
from FedRTDatasetLib.phantom.shapes import (
    Capsule,
    Ellipsoid,
    Grown,
    Points,
    Warp,
)
from FedRTDatasetLib.privacy import without_identity

SEED = 3


class Patient:
    """One written patient, read back with the product's own reader."""

    def __init__(self, hospital, folder):
        self.hospital, self.folder = hospital, folder
        self.index = index_folders([folder])
        self.series = next(iter(self.index.series.values()))
        self.loaded = load_series(self.series)
        self.structure_set = next(iter(self.index.structure_sets.values()))
        self.rois = {roi.name: roi for roi in read_rtstruct(self.structure_set.path)}
        names = NameMap()
        self.organs = {names.lookup(name): roi for name, roi in self.rois.items() if names.lookup(name) in ORGANS}

    def mask(self, roi):
        return rasterise(roi.polygons, self.loaded.stack)[0].astype(bool)

    def polygons_of(self, helper):
        return self.rois[self.hospital.habits.helper_names[helper]].polygons


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom") / "cohort"
    write_cohort(folder, patients=1, seed=SEED)
    return folder


@pytest.fixture(scope="module", params=HOSPITALS, ids=lambda hospital: hospital.key)
def patient(request, cohort):
    (folder,) = (cohort / request.param.key).iterdir()
    return Patient(request.param, folder)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# --- the cohort as files ----------------------------------------------------------------------------------------------


def test_same_seed_same_bytes(cohort, tmp_path):
    again = write_patient(tmp_path, SANTA_ELENA, 0, SEED)
    (first,) = (cohort / SANTA_ELENA.key).iterdir()
    assert first.name == again.name
    assert contents(first) == contents(again)


def test_another_seed_is_another_patient(tmp_path):
    people = {invent_person(hospital, n, seed) for hospital in HOSPITALS for n in range(20) for seed in (1, 2)}
    assert len({person.uid("study") for person in people}) == 120
    assert len({(person.patient_id) for person in people}) >= 115  # chance may repeat one in another cohort
    for hospital in HOSPITALS:
        assert len({invent_person(hospital, n, 1).patient_id for n in range(200)}) == 200


def test_an_interrupted_cohort_is_completed(cohort, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(cohort, copy)
    (lost,) = (copy / NORTHBROOK.key).iterdir()
    kept = next((copy / LINDENTAL.key).iterdir()) / "RS.dcm"
    before, written = contents(lost), kept.stat().st_mtime_ns
    shutil.rmtree(lost)
    write_cohort(copy, patients=1, seed=SEED)
    assert contents(lost) == before
    assert kept.stat().st_mtime_ns == written


def test_other_folders_are_left_alone(cohort, tmp_path):
    with pytest.raises(FedRTError, match="other settings"):
        write_cohort(cohort, patients=1, seed=SEED + 1)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FedRTError, match="holds files"):
        write_cohort(tmp_path, patients=1)


def test_index_finds_everything_and_no_problem(cohort):
    index = index_folders([cohort])
    assert not index.problems
    assert len(index.series) == len(index.structure_sets) == len(index.plans) == len(index.doses) == 3
    assert set(index.links) == set(index.structure_sets)


# --- DICOM ------------------------------------------------------------------------------------------------------------


def test_objects_refer_to_each_other(patient):
    index, structure_set = patient.index, patient.structure_set
    assert index.links[structure_set.uid] == patient.series.uid
    assert [plan.uid for plan in index.plans_of(structure_set.uid)] == list(index.plans)
    assert [dose.uid for dose in index.doses_of(structure_set.uid)] == list(index.doses)
    dataset = pydicom.dcmread(structure_set.path)
    headers = {header.SOPInstanceUID: header for header in patient.loaded.headers}
    normal = patient.loaded.stack.normal
    contours = [
        contour
        for roi in dataset.ROIContourSequence
        for contour in roi.ContourSequence
        if contour.ContourGeometricType == "CLOSED_PLANAR"
    ]
    assert len(contours) > 100
    for contour in contours:
        image = headers[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
        points = np.array(contour.ContourData, float).reshape(-1, 3) - np.array(image.ImagePositionPatient, float)
        assert np.abs(points @ normal).max() < 1e-3  # on the plane of the slice it names


def test_required_attributes_are_there(patient):
    """Type 1 and 2 attributes that have been forgotten before (PS3.3 A.3, A.18, A.19, A.20)."""
    common = (
        "SOPClassUID SOPInstanceUID PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyDate "
        "StudyTime ReferringPhysicianName StudyID AccessionNumber Modality SeriesInstanceUID SeriesNumber Manufacturer"
    )
    own = {
        "CT_001.dcm": "ImageType KVP AcquisitionNumber PatientPosition FrameOfReferenceUID PositionReferenceIndicator "
        "PixelSpacing ImageOrientationPatient ImagePositionPatient SliceThickness RescaleIntercept RescaleSlope",
        "RP.dcm": "RTPlanLabel RTPlanDate RTPlanTime RTPlanGeometry OperatorsName FractionGroupSequence BeamSequence",
        "RD.dcm": "DoseUnits DoseType DoseSummationType GridFrameOffsetVector DoseGridScaling FrameIncrementPointer "
        "OperatorsName SliceThickness ReferencedRTPlanSequence",
        "RS.dcm": "StructureSetLabel StructureSetDate StructureSetTime OperatorsName ROIContourSequence",
    }
    for file, keywords in own.items():
        dataset = pydicom.dcmread(patient.folder / file)
        assert [k for k in (common + " " + keywords).split() if k not in dataset] == []


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
def test_dciodvfy_finds_no_error(patient):
    for file in ("CT_001.dcm", "RS.dcm", "RP.dcm", "RD.dcm"):
        if file == "RD.dcm" and pydicom.dcmread(patient.folder / file).BitsAllocated == 32:
            continue  # dciodvfy aborts at 32-bit pixel data
        told = subprocess.run(
            ["dciodvfy", str(patient.folder / file)], capture_output=True, text=True, errors="replace"
        )
        assert [line for line in told.stderr.splitlines() if line.startswith("Error")] == []


def test_names_are_in_the_hospitals_language_and_encoding(patient):
    habits = patient.hospital.habits
    assert set(patient.rois) == {
        *(next(n for n in names if n in patient.rois) for names in habits.rois.values()),
        *habits.helper_names.values(),
    }
    dataset = pydicom.dcmread(patient.folder / "RS.dcm")
    assert dataset.SpecificCharacterSet == patient.hospital.character_set
    codec = {"ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}[patient.hospital.character_set]
    raw = (patient.folder / "RS.dcm").read_bytes()
    assert all(name.encode(codec) in raw for name in patient.rois)
    person = invent_person(patient.hospital, 0, SEED)
    ct = (patient.folder / "CT_001.dcm").read_bytes()
    assert person.name.encode(codec) in ct


def test_cohort_has_accents_in_both_encodings():
    for hospital in (SANTA_ELENA, LINDENTAL):
        assert any(not name.isascii() for names in hospital.habits.rois.values() for name in names)
        assert any(not name.isascii() for name in (*hospital.family_names, *hospital.given_names))


def test_every_hospital_leaves_out_another_organ():
    missing = [set(ORGANS) - set(hospital.habits.rois) for hospital in HOSPITALS]
    assert [len(organs) for organs in missing] == [1, 1, 1]
    assert len(set.union(*missing)) == 3


def test_roi_names_do_not_look_like_the_patients_name():
    for hospital in HOSPITALS:
        rois = [roi for names in hospital.habits.rois.values() for roi in names] + [
            *hospital.habits.helper_names.values()
        ]
        for family in hospital.family_names:
            for given in hospital.given_names:
                assert [roi for roi in rois if without_identity(roi, family, given, hospital.id_prefix) != roi] == []


# --- geometry and image -----------------------------------------------------------------------------------------------


def test_left_is_left_in_every_patient_position(patient):
    assert {h.key for h in HOSPITALS if h.scanner.patient_position != "HFS"} == {"lindental"}
    left = np.concatenate(patient.organs["Femur_Head_L"].polygons)
    middle = np.concatenate(patient.organs["Rectum"].polygons)
    assert 60 < left[:, 0].mean() - middle[:, 0].mean() < 120  # LPS: x grows to the patient's left
    if "Femur_Head_R" in patient.organs:
        right = np.concatenate(patient.organs["Femur_Head_R"].polygons)
        assert -120 < right[:, 0].mean() - middle[:, 0].mean() < -60


def test_contours_lie_on_what_they_name(patient):
    """The image under each contour has the density of that organ, so image and contours share one geometry."""
    hu = patient.loaded.array
    median = {name: float(np.median(hu[patient.mask(roi)])) for name, roi in patient.organs.items()}
    assert all(median[name] > 150 for name in median if name.startswith("Femur_Head"))
    body = patient.mask(patient.rois[patient.hospital.habits.helper_names["body"]])
    assert np.median(hu[~body]) < -900
    assert -20 < np.median(hu[body]) < 90
    if "Prostate" in median:
        assert -40 < median["Prostate"] < 110  # Lindental's scanner reads low in the middle of the patient
    if "Bladder" in median:
        contrast = patient.hospital.scanner.bladder_contrast
        assert (120 < median["Bladder"] < 330) if contrast else (-25 < median["Bladder"] < 30)
    head = patient.mask(patient.organs["Femur_Head_L"])
    shifted = np.roll(head, -round(45 / patient.loaded.stack.spacing[0]), axis=2)
    assert hu[head].mean() > hu[shifted].mean() + 100  # a flipped or shifted image would not do


def test_volumes_are_those_of_organs(patient):
    voxel_cm3 = math.prod(patient.hospital.scanner.spacing_mm) / 1000
    ranges = {"Bladder": (60, 500), "Rectum": (40, 260), "Prostate": (12, 90), "Femur_Head_L": (40, 130),
              "Femur_Head_R": (40, 130)}  # fmt: skip
    for name, roi in patient.organs.items():
        low, high = ranges[name]
        assert low < patient.mask(roi).sum() * voxel_cm3 < high, name


@pytest.mark.parametrize(
    ("shape", "volume"),
    [
        (Ellipsoid((10, -5, 3), (30, 22, 26)), 4 / 3 * math.pi * 30 * 22 * 26),
        (Ellipsoid((0, 0, 0), (20, 30, 40), (0.4, -0.3, 0.7)), 4 / 3 * math.pi * 20 * 30 * 40),
        (Grown(Ellipsoid((0, 0, 0), (25, 25, 25)), 5), 4 / 3 * math.pi * 30**3),
        (Capsule((0, 0, -30), (0, 0, 30), 12), math.pi * 12**2 * 60 + 4 / 3 * math.pi * 12**3),
    ],
)
def test_sections_enclose_the_analytic_volume(shape, volume):
    step = 1.0
    planes = np.arange(-80, 80, step) + 0.3
    polygons = section(shape, Warp(np.random.default_rng(0), 0.0), planes)
    enclosed = sum(abs(area(polygon[:, :2])) for polygon in polygons) * step
    assert enclosed == pytest.approx(volume, rel=0.01)


def test_sections_of_a_deformed_organ_enclose_its_volume():
    anatomy = draw_anatomy(np.random.default_rng(5), NORTHBROOK.physique)
    for name in ORGANS:
        shape = anatomy.organs[name]
        low, high = (corner + margin for corner, margin in zip(shape.box, (-20, 20), strict=True))
        axes = [np.arange(a, b, 1.5) for a, b in zip(low, high, strict=True)]
        inside = shape.distance(anatomy.warp.points(*axes)) < 0
        assert not any(inside.take(end, axis).any() for axis in range(3) for end in (0, -1)), "box too small"
        polygons = section(shape, anatomy.warp, axes[2])
        enclosed = sum(abs(area(polygon[:, :2])) for polygon in polygons) * 1.5
        assert enclosed == pytest.approx(inside.sum() * 1.5**3, rel=0.015), name


def test_organs_do_not_overlap():
    anatomy = draw_anatomy(np.random.default_rng(6), SANTA_ELENA.physique)
    axes = [np.arange(low, high, 3.0) for low, high in ((-130, 130), (-70, 90), (-80, 130))]
    points = anatomy.warp.points(*axes)
    inside = np.stack([anatomy.organs[name].distance(points) < 0 for name in ORGANS])
    both = inside.sum(axis=0) > 1
    assert both.sum() < 0.02 * inside.sum()
    assert (inside.any(axis=0) & (anatomy.body.distance(points) > 0)).sum() == 0


def test_distances_are_distances():
    """One millimetre outwards is one millimetre more, which margins and partial volumes rely on."""
    sphere = Ellipsoid((1, 2, 3), (20, 20, 20))
    x = np.linspace(2, 60, 30)
    assert sphere.distance(Points(x + 1, np.full(30, 2.0), np.full(30, 3.0))) == pytest.approx(x - 20, abs=1e-9)
    middle = sphere.distance(Points(*(np.array([c]) for c in (1.0, 2.0, 3.0))))
    assert middle[0] < -5


# --- dose and plan ----------------------------------------------------------------------------------------------------


def test_dose_is_what_the_plan_prescribes(patient):
    reference = to_image(patient.loaded.array, patient.loaded.stack)
    planned = planned_dose(patient.index, next(iter(patient.index.structure_sets)))
    dose = sitk.GetArrayFromImage(planned.dose.on(grid_of(reference))[0])
    gray, fractions = patient.hospital.prescription
    target = rasterise(patient.polygons_of("ptv"), stack_of_image(reference))[0].astype(bool)
    inner = rasterise(patient.polygons_of("body"), stack_of_image(reference))[0].astype(bool)
    assert dose[target].mean() == pytest.approx(gray, rel=0.04)
    assert np.percentile(dose[target], 5) > 0.8 * gray
    assert gray < dose.max() < 1.1 * gray
    rectum = patient.mask(patient.organs["Rectum"])
    heads = patient.mask(patient.organs["Femur_Head_L"])
    assert gray * 0.05 < dose[heads].mean() < dose[rectum].mean() < dose[target].mean()
    assert dose[~inner].mean() < 0.02 * gray

    (plan_file,) = patient.index.plans.values()
    record = plan_values(planned.plans)
    assert (record.prescription_gy, record.fractions) == (gray, fractions)
    plan = pydicom.dcmread(plan_file.path)
    beams = plan.FractionGroupSequence[0].ReferencedBeamSequence
    assert sum(float(beam.BeamDose) for beam in beams) * fractions == pytest.approx(gray)
    isocentre = np.array(plan.BeamSequence[0].ControlPointSequence[0].IsocenterPosition, float)
    assert np.linalg.norm(isocentre - np.concatenate(patient.polygons_of("ptv")).mean(axis=0)) < 25


def test_the_isocentre_is_a_point_and_no_organ(patient):
    roi = patient.rois[patient.hospital.habits.helper_names["isocentre"]]
    assert (len(roi.polygons), roi.other_contours) == (0, 1)


def test_target_holds_the_prostate():
    anatomy = draw_anatomy(np.random.default_rng(7), LINDENTAL.physique)
    points = Points(*np.meshgrid(*(np.arange(-35, 35, 3.0),) * 3))
    prostate = anatomy.organs["Prostate"].distance(points)
    assert (target_volume(anatomy).distance(points)[prostate < 0] < -5).all()
