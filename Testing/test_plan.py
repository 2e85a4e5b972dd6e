"""RTPLAN values: machine-neutral, no free text."""

import pytest
from dose_maker import items, make_plan
from FedRTDatasetLib.dosimetry.plan import read_plan
from FedRTDatasetLib.dosimetry.plan_values import plan_values
from FedRTDatasetLib.errors import FedRTError


def beam(**values):
    return items({"BeamNumber": 1, "TreatmentDeliveryType": "TREATMENT", "RadiationType": "PHOTON", **values})


def point(rotation="NONE", leaves=None, energy=6.0):
    device = {"RTBeamLimitingDeviceType": "MLCX", "LeafJawPositions": leaves}
    devices = items(device) if leaves else items({"RTBeamLimitingDeviceType": "ASYMX", "LeafJawPositions": [-50, 50]})
    return {
        "GantryRotationDirection": rotation, "NominalBeamEnergy": energy, "BeamLimitingDevicePositionSequence": devices,
    }  # fmt: skip


def test_values_of_a_plan(tmp_path):
    plan = read_plan(make_plan(tmp_path / "p.dcm", "1.2.3.4", beams=3))
    record = plan_values([plan], None, 63.2)
    assert record.model_dump() == {
        "prescription_gy": 60.0, "prescription_levels_gy": [60.0], "prescription_from": "dose-reference", "fractions": 30,
        "dose_per_fraction_gy": 2.0, "phases": 1, "beams": 3, "setups": None, "kind": "external",
        "techniques": ["static"], "radiation": ["photon"], "energies": [6.0], "flattening_filter_free": None,
        "intent": "curative", "approval": "approved", "dose_type": "", "dose_max_gy": 63.2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("points", "technique"),
    [
        ([point(), point()], "static"),
        ([point(leaves=[-1, 1]), point(leaves=[-2, 1])], "imrt"),
        ([point("CW"), point("NONE")], "arc"),
        ([point("CC", [-1, 1]), point("CC", [-2, 1]), point("NONE", [-3, 1])], "vmat"),
    ],
)
def test_technique_from_the_control_points(tmp_path, points, technique):
    path = make_plan(tmp_path / "p.dcm", "1", BeamSequence=beam(ControlPointSequence=items(*points)))
    assert read_plan(path).techniques == (technique,)


def test_a_simultaneous_boost_has_several_levels(tmp_path):
    targets = items(*({"DoseReferenceType": "TARGET", "TargetPrescriptionDose": gray} for gray in (50.0, 60.0, 54.0)))
    record = plan_values([read_plan(make_plan(tmp_path / "p.dcm", "1", DoseReferenceSequence=targets))])
    assert (record.prescription_gy, record.prescription_levels_gy) == (60.0, [60.0, 54.0, 50.0])


def test_prescription_from_beam_doses_where_no_target_has_one(tmp_path):
    beams = items({"ReferencedBeamNumber": 1, "BeamDose": 0.8}, {"ReferencedBeamNumber": 2, "BeamDose": 1.2})
    group = {"FractionGroupNumber": 1, "NumberOfFractionsPlanned": 25, "ReferencedBeamSequence": beams}
    path = make_plan(tmp_path / "p.dcm", "1", prescription=None, FractionGroupSequence=items(group))
    plan = read_plan(path)
    assert (plan.levels_gy, plan.prescribed_by, plan.fractions) == ((50.0,), "beam-dose", 25)


def test_phases_add_up_and_what_one_does_not_state_is_unknown(tmp_path):
    first = read_plan(make_plan(tmp_path / "a.dcm", "1", prescription=50.0, fractions=25))
    boost = read_plan(make_plan(tmp_path / "b.dcm", "2", prescription=16.0, fractions=8))
    record = plan_values([first, boost])
    assert (record.prescription_gy, record.fractions, record.phases) == (66.0, 33, 2)
    assert record.dose_per_fraction_gy == 2.0
    silent = read_plan(make_plan(tmp_path / "c.dcm", "3", prescription=None))
    assert plan_values([first, silent]).prescription_gy is None


def test_no_machine_name_no_label_no_free_text(tmp_path):
    path = make_plan(tmp_path / "p.dcm", "1", PlanIntent="DOE PROTOCOL 7", ApprovalStatus="by Dr Doe")
    text = plan_values([read_plan(path)]).model_dump_json()
    for hidden in ("LINAC7", "Doe", "DOE", "boost", "2024"):
        assert hidden not in text


def test_real_plans(real_data):
    """An Eclipse IMRT plan, an Oncentra plan of photons and electrons, and a brachytherapy plan."""
    imrt = plan_values([read_plan(real_data / "dicompyler" / "rtplan.dcm")])
    assert (imrt.prescription_gy, imrt.fractions, imrt.dose_per_fraction_gy, imrt.beams) == (14.0, 7, 2.0, 4)
    assert (imrt.techniques, imrt.energies, imrt.approval) == (["imrt"], [6.0, 10.0], "unapproved")
    mixed = plan_values([read_plan(next((real_data / "oncentra_phantom" / "simple_phantom_case").glob("RP*")))])
    assert (mixed.radiation, mixed.energies, mixed.intent) == (["electron", "photon"], [6.0, 15.0, 18.0], "palliative")
    assert (mixed.prescription_gy, mixed.fractions) == (None, 5)
    brachy = plan_values([read_plan(real_data / "oncentra_phantom" / "single_brachy_plan" / "brachy_plan.dcm")])
    assert (brachy.kind, brachy.techniques, brachy.prescription_gy) == ("brachy", ["hdr", "interstitial"], 4.2)
    assert brachy.prescription_from == "application-setup-dose"


def test_a_file_that_is_no_plan_says_so(tmp_path):
    (tmp_path / "p.dcm").write_bytes(b"no")
    with pytest.raises(FedRTError, match=r"p\.dcm"):
        read_plan(tmp_path / "p.dcm")
    path = make_plan(tmp_path / "q.dcm", "1", Modality="RTSTRUCT")
    with pytest.raises(FedRTError, match="is not an RT Plan file"):
        read_plan(path)
