"""Cases of several images: which series is which, how they come onto one grid, and what is said of it."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_maker import OBLIQUE, add_rtstruct, ellipse, make_patient, make_series, write_registration
from FedRTDatasetLib.building.build import build_dataset
from FedRTDatasetLib.building.build_settings import BuildSettings, read_build_settings
from FedRTDatasetLib.building.image_choice import ImageChoice
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.preprocess import Processing
from FedRTDatasetLib.imaging.registration import DEFORMABLE
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.naming.names import NameMap
from FedRTDatasetLib.pseudonym import SiteKey
from FedRTDatasetLib.storage.dataset import (
    Dataset,
    read_image,
    read_images,
    read_structures,
)
from pydicom.dataset import Dataset as Header
from pydicom.uid import generate_uid
from test_registration import rigid

KEY = SiteKey(b"k" * 32)
NONE = Processing(modality="MR", intensity="none", n4=False)


def gradient(points):
    """A scene that is linear in space, so that linear interpolation must give it back exactly."""
    return 500 + 3 * points[..., 0] - 2 * points[..., 1] + 4 * points[..., 2]


def build(source, out, settings, **options):
    names = NameMap()
    index = index_folders([source])
    names.merge({name: 1 for rt in index.structure_sets.values() for name in rt.roi_names})
    problems = build_dataset(index, settings, out, KEY, names, **options)
    return Dataset.open(out), problems


def mr(folder, description, frame, study, **options):
    options = {"modality": "MR", "scene": gradient, "frame": frame, "study": study} | options
    attributes = {"SeriesDescription": description} | options.pop("attributes", {})
    return make_series(folder, attributes=attributes, **options)


def two_sequences(tmp_path, frame="1.2.3", other_frame=None, **other):
    """T1 with a bladder, and a T2 of another grid."""
    study = generate_uid()
    t1 = mr(tmp_path / "in" / "t1", "t1_tse_tra", frame, study)
    add_rtstruct(t1, {"Bladder": [t1.plane(k, ellipse((40, 30), (20, 12))) for k in range(2, 6)]})
    options = {"spacing": (1.2, 1.7), "step": 4.0, "rows": 60, "columns": 100, "slices": 12, "origin": (-60, -40, 8)}
    mr(tmp_path / "in" / "t2", "t2_tse_tra", other_frame or frame, study, **(options | other))
    return t1


T1T2 = BuildSettings(
    images=(
        ImageChoice(name="T1", modality="MR", keywords=("t1",), processing=NONE),
        ImageChoice(name="T2", modality="MR", description=r"^t2", processing=NONE),
    ),
)


def kinds(case):
    return {(check.kind, check.image) for check in case.checks}


def differs_from_gradient(image, margin=1):
    """The greatest difference from the scene, away from the border."""
    values = sitk.GetArrayFromImage(image)
    z, y, x = np.mgrid[tuple(slice(0, n) for n in values.shape)]
    places = np.stack([x, y, z], axis=-1) * np.array(image.GetSpacing())
    points = places @ np.reshape(image.GetDirection(), (3, 3)).T + np.array(image.GetOrigin())
    inner = tuple(slice(margin, -margin) for _ in range(3))
    return np.abs(values - gradient(points))[inner].max()


def test_two_sequences_of_one_frame_come_onto_the_grid_of_the_primary(tmp_path):
    two_sequences(tmp_path)
    dataset, _ = build(tmp_path / "in", tmp_path / "out", T1T2)
    (case,) = dataset.cases
    images = read_images(case)
    assert list(images) == ["T1", "T2"]
    assert [(image.file, image.relation) for image in case.images] == [
        ("image.nrrd", "primary"),
        ("image_1.nrrd", "same-frame"),
    ]
    assert images["T2"].GetSize() == images["T1"].GetSize() == (48, 40, 8)
    assert images["T2"].GetOrigin() == images["T1"].GetOrigin()
    assert differs_from_gradient(images["T2"]) < 1.5  # the made pixels are whole numbers
    assert np.array_equal(sitk.GetArrayFromImage(read_image(case)), sitk.GetArrayFromImage(images["T1"]))
    assert {"image.nrrd", "image_1.nrrd", "structures.seg.nrrd"} <= case.sha256.keys()
    assert [image.name for image in dataset.record.images] == ["T1", "T2"]
    align = next(step for step in case.steps if step.step == "align")
    assert (align.image, align.parameters["by"]) == ("T2", "frame")


def test_an_oblique_uneven_second_image_is_interpolated_once(tmp_path):
    gaps = [0.0, 4.0, 8.0, 15.0, 19.0, 23.0, 30.0, 34.0, 38.0, 42.0, 48.0]
    two_sequences(tmp_path, orientation=OBLIQUE, offsets=gaps, rows=90, columns=120, origin=(-60, -70, 60))
    dataset, _ = build(tmp_path / "in", tmp_path / "out", T1T2)
    (case,) = dataset.cases
    values = sitk.GetArrayFromImage(read_images(case)["T2"])
    truth = sitk.GetArrayFromImage(read_images(case)["T1"])
    covered = values > values.min() + 1
    assert covered.mean() > 0.3
    eroded = (
        covered & np.roll(covered, 2, 0) & np.roll(covered, -2, 0) & np.roll(covered, 2, 1) & np.roll(covered, -2, 1)
    )
    assert np.abs(values - truth)[eroded].max() < 3


def test_a_registration_object_brings_the_second_image_into_place(tmp_path):
    """The T2 patient lay turned and shifted; the registration says how."""
    matrix = rigid(20, (6, -4, 9))

    def turned(points):  # what is at M p in the frame of T1 is at p in that of T2
        return gradient(points @ matrix[:3, :3].T + matrix[:3, 3])

    two_sequences(tmp_path, other_frame="1.2.4", scene=turned, rows=90, columns=130, slices=16, origin=(-70, -60, -12))
    write_registration(tmp_path / "in" / "reg.dcm", "1.2.4", "1.2.3", [matrix])
    dataset, _ = build(tmp_path / "in", tmp_path / "out", T1T2)
    (case,) = dataset.cases
    assert case.images[1].relation == "registration"
    assert differs_from_gradient(read_images(case)["T2"], margin=3) < 2
    step = next(step for step in case.steps if step.step == "align")
    assert step.parameters["matrix"] == pytest.approx(matrix.ravel().tolist(), abs=1e-5)
    assert ("image-registered", "T2") in kinds(case)


def test_without_a_way_between_the_frames_the_case_goes_without(tmp_path):
    two_sequences(tmp_path, other_frame="1.2.4")
    dataset, _ = build(tmp_path / "in", tmp_path / "out", T1T2)
    (case,) = dataset.cases
    assert list(read_images(case)) == ["T1"]
    assert ("image-not-aligned", "T2") in kinds(case)
    assert any("nothing tells how it lies" in note for note in case.notes)


def test_a_deformable_registration_is_told_and_not_applied(tmp_path):
    two_sequences(tmp_path, other_frame="1.2.4")
    path = write_registration(tmp_path / "in" / "reg.dcm", "1.2.4", "1.2.3", [np.eye(4)])
    dataset = pydicom.dcmread(path)
    del dataset.RegistrationSequence
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = DEFORMABLE
    item = Header()
    item.SourceFrameOfReferenceUID = "1.2.4"
    dataset.DeformableRegistrationSequence = [item]
    dataset.save_as(path)
    dataset, problems = build(tmp_path / "in", tmp_path / "out", T1T2)
    (case,) = dataset.cases
    assert list(read_images(case)) == ["T1"]
    assert ("image-deformable", "T2") in kinds(case)
    assert [problem.kind for problem in problems if problem.kind == "deformable"] == ["deformable"]


def test_a_required_image_that_is_missing_skips_the_case(tmp_path):
    make_patient(tmp_path / "in" / "whole", "whole", modality="MR", attributes={"SeriesDescription": "t1"})
    images = (T1T2.images[0], T1T2.images[1].model_copy(update={"required": True}))
    with pytest.raises(FedRTError, match="no image T2, which the dataset requires"):
        build(tmp_path / "in", tmp_path / "out", T1T2.model_copy(update={"images": images}))


def test_of_two_series_that_fit_the_one_with_most_slices_is_taken_and_told(tmp_path):
    t1 = two_sequences(tmp_path)
    mr(tmp_path / "in" / "t2b", "t2_short", "1.2.3", str(t1.headers[0].StudyInstanceUID), slices=4)
    dataset, _ = build(tmp_path / "in", tmp_path / "out", T1T2)
    (case,) = dataset.cases
    assert ("image-of-several", "T2") in kinds(case)
    assert next(step for step in case.steps if step.step == "read" and step.image == "T2").parameters["slices"] == 12


def test_contours_drawn_on_the_second_image_are_brought_to_the_primary(tmp_path):
    study, matrix = generate_uid(), rigid(0, (3.0, 1.5, 6.0))
    mr(tmp_path / "in" / "t1", "t1", "1.2.3", study)
    t2 = mr(tmp_path / "in" / "t2", "t2", "1.2.4", study)
    add_rtstruct(t2, {"Bladder": [t2.plane(k, ellipse((40, 30), (20, 12))) for k in range(2, 6)]})
    write_registration(tmp_path / "in" / "reg.dcm", "1.2.4", "1.2.3", [matrix])
    dataset, _ = build(tmp_path / "in", tmp_path / "out", T1T2)
    (case,) = dataset.cases
    assert ("structure-set-of-other-image", "") in kinds(case)
    masks, _ = read_structures(case, ["Bladder"])
    z, y, x = (np.array(np.nonzero(masks[0])).mean(axis=1) * [3.0, 1.5, 2.0]).tolist()
    assert (x, y, z) == pytest.approx((40 + 3.0, 30 + 1.5, 3.5 * 3 + 6.0), abs=0.15)


def test_a_set_on_the_primary_goes_before_one_on_another_image(tmp_path):
    t1 = two_sequences(tmp_path)
    folder = tmp_path / "in" / "t2"
    headers = [pydicom.dcmread(path) for path in sorted(folder.glob("slice*.dcm"))]
    other = type(t1)(folder, headers, [], None)
    add_rtstruct(
        other, {n: [other.plane(k, ellipse((50, 40), (20, 12))) for k in (4, 5)] for n in ("Bladder", "Rectum")}
    )
    dataset, problems = build(tmp_path / "in", tmp_path / "out", T1T2)
    (case,) = dataset.cases
    assert case.labelled == ["Bladder"]
    assert [p.kind for p in problems if p.kind == "structure-set-unused"] == ["structure-set-unused"]


def pet_attributes(weight="70"):
    injection = Header()
    injection.RadionuclideTotalDose, injection.RadionuclideHalfLife = "350000000", "6586.2"
    injection.RadiopharmaceuticalStartTime = "110000"
    found = {"Units": "BQML", "DecayCorrection": "ADMIN", "CorrectedImage": ["DECY", "ATTN"], "SeriesDate": "20200102",
             "SeriesTime": "120000", "RescaleSlope": "50", "RescaleIntercept": "0",
             "RadiopharmaceuticalInformationSequence": [injection]}  # fmt: skip
    return found | ({"PatientWeight": weight} if weight else {})


CT_PET = BuildSettings(
    processing=Processing(modality="CT", spacing_mm=(3, 3, 3)),
    images=(
        ImageChoice(name="CT", modality="CT", primary=True),
        ImageChoice(name="PET", modality="PT", processing=Processing(modality="PT", intensity="none")),
    ),
)


@pytest.mark.parametrize("weight", ["70", ""])
def test_ct_with_pet_in_suv(tmp_path, weight):
    ct = make_patient(tmp_path / "in" / "ct", frame="1.2.3")
    make_series(tmp_path / "in" / "pt", modality="PT", frame="1.2.3", spacing=(4, 4), step=4, rows=30, columns=30,
                origin=(-54, -34, 16), scene=lambda p: np.full(p.shape[:-1], -800.0), attributes=pet_attributes(weight),
                study=str(ct.headers[0].StudyInstanceUID))  # fmt: skip
    dataset, _ = build(tmp_path / "in", tmp_path / "out", CT_PET)
    (case,) = dataset.cases
    if not weight:
        assert list(read_images(case)) == ["CT"]
        check = next(check for check in case.checks if check.kind == "image-suv-impossible")
        assert check.values == {"missing": "PatientWeight"}
        return
    values = sitk.GetArrayFromImage(read_images(case)["PET"])
    assert values.shape == sitk.GetArrayFromImage(read_image(case)).shape
    assert values == pytest.approx(200 * 50 * 70000 / 350e6, rel=1e-4)  # 200 is what make_series stores
    assert [image.units for image in case.images] == ["HU", "SUVbw"]


def test_contrast_and_words_that_must_not_stand_there(tmp_path):
    def fits(**stated):
        return ImageChoice(name="T1", modality="MR", **stated).fits(series)

    attributes = {"SeriesDescription": "T1 TSE tra KM", "ContrastBolusAgent": "Gadovist"}
    make_series(tmp_path / "in", modality="MR", attributes=attributes)
    (series,) = index_folders([tmp_path / "in"]).series.values()
    assert fits() and fits(description=r"\bt1\b") and fits(keywords=("t2", "t1")) and fits(contrast=True)
    assert not fits(description="^tse") and not fits(keywords=("t2",)) and not fits(not_keywords=("km",))
    assert not fits(contrast=False) and not ImageChoice(name="CT", modality="CT").fits(series)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[images]]\nname="T1"\nmodality="MR"\ndescription="("\n', "no regular expression"),
        ('[[images]]\nname="T1"\nmodality="MR"\n[[images]]\nname="T1"\nmodality="MR"\n', "same name"),
        ('[[images]]\nname="Max Mustermann 1950"\nmodality="MR"\n', "pattern"),
        ('[[images]]\nname="CT"\nmodality="CT"\n[processing]\nmodality="MR"\n', "primary image is CT"),
        ('[[images]]\nname="CT"\nmodality="US"\n', "CT"),
        ('[[images]]\nname="CT"\nmodality="CT"\nsharpen=1\n', "Extra"),
    ],
)
def test_images_that_make_no_sense_are_refused(tmp_path, text, problem):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(FedRTError, match=problem):
        read_build_settings(tmp_path / "c.toml")


def test_images_of_a_dataset_cannot_change(tmp_path):
    two_sequences(tmp_path)
    build(tmp_path / "in", tmp_path / "out", T1T2)
    with pytest.raises(FedRTError, match=r"other \[\[images\]\]"):
        build(tmp_path / "in", tmp_path / "out", T1T2.model_copy(update={"images": T1T2.images[:1]}))
