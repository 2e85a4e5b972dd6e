"""Which doses and plans make up what a patient was planned to get."""

from pathlib import Path

import numpy as np
import pytest
from dicom_maker import make_patient
from dose_maker import make_dose, make_plan
from FedRTDatasetLib.dosimetry.course import course_dose
from FedRTDatasetLib.dosimetry.dose import planned_dose
from FedRTDatasetLib.dosimetry.plan import Plan, read_plan
from FedRTDatasetLib.dosimetry.plan_values import plan_values
from FedRTDatasetLib.dosimetry.rtdose import read_rtdose
from FedRTDatasetLib.index.dicom_index import index_folders

POINT = np.array([[-50.0, -40.0, 5.0]])


def dose(path: Path, gray: float, plan: str, **options):
    return read_rtdose(make_dose(path, np.full((3, 8, 9), gray), plan=plan, **options))


def gray(chosen) -> float | None:
    return None if chosen.dose is None else float(chosen.dose.at(POINT)[0][0])


def kinds(chosen) -> set[str]:
    return {check.kind for check in chosen.checks}


PLAN = Plan("1", beams=(1, 2), groups=(1,), approval="APPROVED", made="20240101")


def test_a_plans_own_dose_and_never_its_beams_as_well(tmp_path):
    beams = [dose(tmp_path / f"b{n}.dcm", 10.0 * n, "1", summation="BEAM", beams=(n,)) for n in (1, 2)]
    whole = dose(tmp_path / "w.dcm", 31.0, "1")
    assert gray(course_dose([PLAN], [*beams, whole])) == pytest.approx(31)
    assert gray(course_dose([PLAN], beams)) == pytest.approx(30)


def test_beams_only_where_all_are_there_and_each_once(tmp_path):
    one = dose(tmp_path / "b1.dcm", 10.0, "1", summation="BEAM", beams=(1,))
    both = dose(tmp_path / "b12.dcm", 30.0, "1", summation="BEAM", beams=(1, 2))
    lacking = course_dose([PLAN], [one])
    assert gray(lacking) is None
    assert kinds(lacking) == {"dose-beams-missing"}
    assert "1 of 2" in lacking.checks[0].text
    two = dose(tmp_path / "b2.dcm", 20.0, "1", summation="BEAM", beams=(2,))
    assert gray(course_dose([PLAN], [both, one, two])) == pytest.approx(30)
    assert gray(course_dose([PLAN], [both])) == pytest.approx(30)


def test_setups_and_fraction_groups_are_summed_like_beams(tmp_path):
    brachy = Plan("1", setups=(0, 1))
    parts = [dose(tmp_path / f"s{n}.dcm", 4.0, "1", summation="BRACHY", beams=(n,)) for n in (0, 1)]
    assert gray(course_dose([brachy], parts)) == pytest.approx(8)
    group = dose(tmp_path / "g.dcm", 7.0, "1", summation="FRACTION")
    assert gray(course_dose([Plan("1", groups=(1,))], [group])) == pytest.approx(7)


def test_empty_differing_and_delivered_doses_are_left_out(tmp_path):
    whole = dose(tmp_path / "w.dcm", 31.0, "1")
    useless = [
        dose(tmp_path / "0.dcm", 0.0, "1"),
        dose(tmp_path / "e.dcm", -2.0, "1", DoseType="ERROR"),
        dose(tmp_path / "r.dcm", 30.0, "1", summation="RECORD"),
    ]
    chosen = course_dose([PLAN], [*useless, whole])
    assert gray(chosen) == pytest.approx(31)
    assert kinds(chosen) == {"dose-empty", "dose-difference", "dose-delivered"}


def test_approved_over_unapproved_and_none_that_is_rejected_or_no_treatment(tmp_path):
    plans = [
        PLAN,
        Plan("2", approval="UNAPPROVED", made="20250101"),
        Plan("3", approval="REJECTED", made="20250101"),
        Plan("4", approval="APPROVED", intent="VERIFICATION", made="20250101"),
    ]
    doses = [dose(tmp_path / f"{n}.dcm", 10.0 * n, str(n)) for n in (1, 2, 3, 4)]
    chosen = course_dose(plans, doses)
    assert ([plan.uid for plan in chosen.plans], gray(chosen)) == (["1"], pytest.approx(10))
    assert kinds(chosen) == {"plans-unapproved", "plans-rejected", "plans-not-treatment"}


def phases(**of_second):
    return [Plan("1", made="20240101", **of_second.pop("first", {})), Plan("2", made="20240201", **of_second)]


def test_plans_without_a_link_compete_and_the_newest_with_a_dose_is_taken(tmp_path):
    doses = [dose(tmp_path / f"{n}.dcm", 10.0 * n, str(n)) for n in (1, 2)]
    chosen = course_dose(phases(), doses)
    assert (gray(chosen), kinds(chosen)) == (pytest.approx(20), {"plans-compete"})
    assert gray(course_dose(phases(), doses[:1])) == pytest.approx(10)
    assert gray(course_dose(phases(relations={"1": "ALTERNATIVE"}), doses)) == pytest.approx(20)
    shared = {"targets": ("9",)}
    assert gray(course_dose(phases(first=shared, **shared), doses)) == pytest.approx(20)  # not approved: may compete


@pytest.mark.parametrize(
    "linked",
    [
        {"relations": {"1": "PRIOR"}},
        {"relations": {"1": "CONCURRENT"}},
        {"approval": "APPROVED", "targets": ("9",), "first": {"approval": "APPROVED", "targets": ("8", "9")}},
    ],
)
def test_phases_of_one_course_are_summed(tmp_path, linked):
    doses = [dose(tmp_path / f"{n}.dcm", 10.0 * n, str(n)) for n in (1, 2)]
    chosen = course_dose(phases(**dict(linked)), doses)
    assert (gray(chosen), len(chosen.plans)) == (pytest.approx(30), 2)
    assert {uid: float(one.at(POINT)[0][0]) for uid, one in chosen.per_plan.items()} == pytest.approx(
        {"1": 10, "2": 20}
    )
    lacking = course_dose(phases(**dict(linked)), doses[:1])
    assert "phase-without-dose" in kinds(lacking)


def test_the_dose_of_several_plans_is_their_sum(tmp_path):
    path = make_dose(tmp_path / "m.dcm", np.full((3, 8, 9), 33.0), plan="1", summation="MULTI_PLAN")
    import pydicom

    dataset = pydicom.dcmread(path)
    second = pydicom.Dataset()
    second.ReferencedSOPInstanceUID = "2"
    dataset.ReferencedRTPlanSequence.append(second)
    dataset.save_as(path)
    doses = [read_rtdose(path)] + [dose(tmp_path / f"{n}.dcm", 10.0 * n, str(n)) for n in (1, 2)]
    assert gray(course_dose(phases(), doses)) == pytest.approx(33)


def test_physical_and_effective_doses_are_not_added(tmp_path):
    parts = [
        dose(tmp_path / "1.dcm", 10.0, "1", summation="BEAM", beams=(1,)),
        dose(tmp_path / "2.dcm", 10.0, "1", summation="BEAM", beams=(2,), DoseType="EFFECTIVE"),
    ]
    chosen = course_dose([PLAN], parts)
    assert (gray(chosen), kinds(chosen)) == (None, {"dose-kinds-differ"})


def patient(folder: Path):
    series = make_patient(folder / "images")
    import pydicom

    structure_set = pydicom.dcmread(folder / "images" / "structures.dcm")
    return structure_set.SOPInstanceUID, series.headers[0].FrameOfReferenceUID


def test_the_dose_of_a_structure_set_in_an_index(tmp_path):
    uid, frame = patient(tmp_path)
    make_plan(tmp_path / "rt" / "p.dcm", "1.7", structure_set=uid)
    for n in (1, 2):
        make_dose(
            tmp_path / "rt" / f"d{n}.dcm", np.full((3, 8, 9), 10.0 * n), plan="1.7", beams=(n,), summation="BEAM",
            FrameOfReferenceUID=frame,
        )  # fmt: skip
    make_dose(
        tmp_path / "rt" / "o.dcm", np.full((3, 8, 9), 9.0), plan="1.7", summation="BEAM", FrameOfReferenceUID="1.99"
    )
    make_dose(tmp_path / "rt" / "r.dcm", np.full((3, 8, 9), 9.0), plan="1.7", DoseUnits="RELATIVE")
    planned = planned_dose(index_folders([tmp_path]), uid)
    assert float(planned.dose.at(POINT)[0][0]) == pytest.approx(30)
    assert kinds(planned) == {"dose-summed", "dose-other-frame", "dose-left-out"}
    assert plan_values(planned.plans).prescription_gy == 60


def test_a_dose_whose_plan_is_not_here_is_taken_with_the_doubt_told(tmp_path):
    uid, frame = patient(tmp_path)
    make_dose(tmp_path / "d.dcm", np.full((3, 8, 9), 12.0), plan="1.7", FrameOfReferenceUID=frame)
    planned = planned_dose(index_folders([tmp_path]), uid)
    assert float(planned.dose.at(POINT)[0][0]) == pytest.approx(12)
    assert (planned.plans, kinds(planned)) == ((), {"dose-without-plan"})


def test_a_plan_that_names_no_structure_set_still_tells_its_values(tmp_path):
    uid, frame = patient(tmp_path)
    make_plan(tmp_path / "p.dcm", "1.7", ReferencedStructureSetSequence=None)
    make_dose(tmp_path / "d.dcm", np.full((3, 8, 9), 12.0), plan="1.7", FrameOfReferenceUID=frame)
    planned = planned_dose(index_folders([tmp_path]), uid)
    assert ([plan.levels_gy for plan in planned.plans], kinds(planned)) == ([(60.0,)], {"dose-without-plan"})
    other = "1.2.3.9"  # a plan of another structure set keeps its dose
    make_plan(tmp_path / "p.dcm", "1.7", structure_set=other)
    assert planned_dose(index_folders([tmp_path]), uid).dose is None


def test_a_real_case_of_three_beams_and_an_empty_dose(real_data):
    """Oncentra: each beam's dose and one that names all three beams but is 0 everywhere."""
    folder = real_data / "oncentra_phantom" / "simple_phantom_case"
    grids = [read_rtdose(path) for path in sorted(folder.glob("RD*"))]
    chosen = course_dose([read_plan(next(folder.glob("RP*")))], grids)
    assert len(chosen.dose.grids) == 3
    assert kinds(chosen) == {"dose-empty", "dose-summed"}
    middle = grids[0].stack.positions[2:3] + 50
    expected = sum(grid.at(middle)[0] for grid in grids)
    assert chosen.dose.at(middle)[0] == pytest.approx(expected)
    index = index_folders([folder])
    uid = next(iter(index.structure_sets))
    assert planned_dose(index, uid).dose.maximum_gy() == pytest.approx(chosen.dose.maximum_gy())
