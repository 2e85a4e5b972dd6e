"""Plausibility of structures: ellipsoids where the organs of an adult lie, then one thing wrong at a time; and a real scan."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from FedRTDatasetLib.anatomy.checks import QUESTIONS_NAME, check_structures
from FedRTDatasetLib.anatomy.measured import measure
from FedRTDatasetLib.anatomy.table import expectations, partner_of, side_of
from FedRTDatasetLib.finding import Finding
from FedRTDatasetLib.naming.tg263 import primary_names

TOTALSEG = Path(os.environ.get("FEDRT_TEST_DATA", "")) / "totalseg" / "example_seg.nii.gz"


@dataclass
class Grid:
    size: tuple
    spacing_mm: tuple
    origin_mm: tuple
    direction: tuple = (1, 0, 0, 0, 1, 0, 0, 0, 1)


GRID = Grid((90, 70, 200), (4.0, 4.0, 4.0), (-180.0, -140.0, -400.0))

# Name: (x, y, z) of the centre and semi-axes, in mm; x to the left, y backwards, z to the head.
ADULT = {
    "Body": ((0, 0, 0), (155, 112, 2000)),
    "Lung_L": ((75, 0, 200), (50, 70, 110)), "Lung_R": ((-75, 0, 200), (52, 70, 110)),
    "Heart": ((25, -40, 170), (45, 40, 50)), "SpinalCord": ((0, 70, 150), (8, 8, 180)),
    "Liver": ((-60, -10, 60), (75, 65, 65)), "Spleen": ((90, 40, 60), (30, 30, 45)),
    "Kidney_L": ((60, 45, 0), (27, 25, 55)), "Kidney_R": ((-60, 45, -10), (27, 25, 55)),
    "Bladder": ((0, -30, -230), (40, 35, 35)), "Rectum": ((0, 50, -240), (20, 20, 45)),
    "Prostate": ((0, -20, -290), (22, 18, 20)), "PubicSymphys": ((0, -85, -280), (12, 8, 18)),
    "Femur_Head_L": ((90, 0, -270), (26, 26, 26)), "Femur_Head_R": ((-90, 0, -270), (26, 26, 26)),
    "PTV": ((0, -15, -290), (32, 28, 30)),
}  # fmt: skip


def body(shapes=ADULT, grid=GRID) -> dict[str, np.ndarray]:
    """Ellipsoids on the grid, uint8 [k, j, i]."""
    x, y, z = (o + s * np.arange(n) for o, s, n in zip(grid.origin_mm, grid.spacing_mm, grid.size, strict=True))
    z, y, x = np.meshgrid(z, y, x, indexing="ij", sparse=True)
    return {
        name: (((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 + ((z - cz) / c) ** 2 <= 1).astype(np.uint8)
        for name, ((cx, cy, cz), (a, b, c)) in shapes.items()
    }


def kinds(findings: list[Finding], structure: str | None = None) -> set[str]:
    return {f.kind for f in findings if structure in (None, f.structure)}


def moved(name: str, **places) -> dict[str, np.ndarray]:
    """The adult with one structure elsewhere or of another size."""
    centre, axes = ADULT[name]
    return body(ADULT | {name: (places.get("centre", centre), places.get("axes", axes))})


@pytest.fixture(scope="module")
def adult() -> dict[str, np.ndarray]:
    return body()


def test_an_adult_is_plausible(adult):
    assert check_structures(adult, GRID) == []


def test_volume_and_centre_are_exact(adult):
    found = measure(adult["Kidney_L"], GRID)
    assert found.volume_cm3 == pytest.approx(4 / 3 * np.pi * 27 * 25 * 55 / 1000, rel=0.02)
    assert found.centre == pytest.approx((60, 45, 0), abs=1.0)
    assert not found.cut
    assert measure(np.zeros((3, 3, 3), np.uint8), GRID) is None


@pytest.mark.parametrize("flips", [(1,), (2,), (0, 2), (0, 1, 2)])
def test_the_order_of_voxels_does_not_matter(adult, flips):
    """The same body stored from the other end of an axis, with a direction that says so."""
    direction, origin = np.eye(3), np.array(GRID.origin_mm)
    for axis in flips:
        n = 2 - axis
        direction[n, n] = -1
        origin[n] += (GRID.size[n] - 1) * GRID.spacing_mm[n]
    stored = {name: np.flip(mask, flips) for name, mask in adult.items()}
    grid = Grid(GRID.size, GRID.spacing_mm, tuple(origin), tuple(direction.ravel()))
    assert check_structures(stored, grid) == []
    if 2 in flips and len(flips) == 1:  # without the direction it is a mirrored patient
        assert "mirrored" in kinds(check_structures(stored, GRID))


def test_an_exchanged_pair(adult):
    swapped = adult | {"Kidney_L": adult["Kidney_R"], "Kidney_R": adult["Kidney_L"]}
    findings = check_structures(swapped, GRID)
    assert {(f.kind, f.structure, f.severity) for f in findings} == {
        ("swapped-pair", "Kidney_L", "error"), ("swapped-pair", "Kidney_R", "error")}  # fmt: skip
    assert "Kidney_R" in findings[0].text


def test_one_structure_on_the_wrong_side(adult):
    alone = {name: mask for name, mask in adult.items() if name != "Kidney_R"} | {"Kidney_L": adult["Kidney_R"]}
    assert kinds(check_structures(alone, GRID)) == {"side"}
    without_body = {name: mask for name, mask in alone.items() if name != "Body"}
    assert kinds(check_structures(without_body, GRID)) == {"side"}  # the other pairs tell where the middle is
    nothing_to_compare = {"Kidney_L": adult["Kidney_R"]}
    assert check_structures(nothing_to_compare, GRID) == []


def test_a_mirrored_patient(adult):
    mirrored = {name: mask[:, :, ::-1] for name, mask in adult.items()}
    findings = check_structures(mirrored, GRID)
    assert findings[0].kind == "mirrored"
    assert findings[0].severity == "error"
    assert {"Liver", "Spleen", "Lung_L", "Femur_Head_R"} <= {f.structure for f in findings}


def test_an_organ_at_the_wrong_height():
    findings = check_structures(moved("Kidney_L", centre=(60, 45, -320)), GRID)
    assert kinds(findings) == {"order"}
    assert {f.structure for f in findings} == {"Kidney_L"}


def test_a_patient_upside_down(adult):
    turned = {name: mask[::-1] for name, mask in adult.items()}
    assert [f.kind for f in check_structures(turned, GRID) if f.severity == "error"] == ["order"]


def test_the_rectum_behind_the_bladder():
    findings = check_structures(moved("Rectum", centre=(0, -75, -240)), GRID)
    assert "position" in kinds(findings, "Rectum")


@pytest.mark.parametrize(
    ("name", "axes", "kind"),
    [
        ("Bladder", (9, 9, 9), "wrong-volume"),
        ("Liver", (35, 45, 60), "volume"),
        ("Prostate", (48, 44, 50), "volume"),
    ],
)
def test_volumes_out_of_range(name, axes, kind):
    assert kind in kinds(check_structures(moved(name, axes=axes), GRID), name)


def test_what_the_image_cuts_off_may_be_small(adult):
    lungs = {name: adult[name][150:] for name in ("Lung_L", "Lung_R", "Body")}
    low = Grid((90, 70, 50), GRID.spacing_mm, (-180.0, -140.0, 200.0))
    findings = check_structures(lungs, low)
    assert not kinds(findings) & {"volume", "wrong-volume", "pair-volume"}


def test_unequal_pair():
    assert kinds(check_structures(moved("Lung_R", axes=(33, 45, 70)), GRID)) == {"pair-volume"}


def test_outside_the_body():
    findings = check_structures(moved("PTV", centre=(0, -112, -200)), GRID)
    assert [f.severity for f in findings if f.kind == "outside-body"] == ["error"]


def test_contour_gaps(adult):
    holed = adult["Bladder"].copy()
    k = np.flatnonzero(holed.any(axis=(1, 2)))
    holed[k[4] : k[7]] = 0
    findings = check_structures(adult | {"Bladder": holed}, GRID)
    assert kinds(findings) == {"gap"}
    assert "3 slices" in findings[0].text
    two_targets = adult["PTV"].copy()
    two_targets[np.flatnonzero(two_targets.any(axis=(1, 2)))[5]] = 0
    assert check_structures(adult | {"PTV": two_targets}, GRID) == []


def test_the_same_mask_under_two_names(adult):
    findings = check_structures(adult | {"Kidney_R": adult["Kidney_L"]}, GRID)
    assert ("same-mask", "error") in {(f.kind, f.severity) for f in findings}


def test_masks_are_left_as_they_are(adult):
    before = {name: mask.copy() for name, mask in adult.items()}
    check_structures(adult, GRID)
    assert all(np.array_equal(adult[name], before[name]) for name in adult)


def test_findings_are_sentences_that_say_what_to_do(adult):
    strange = body(ADULT | {"Kidney_L": ((-60, 45, -320), (5, 5, 5)), "PTV": ((150, 0, 0), (40, 40, 40))})
    findings = check_structures(strange, GRID)
    assert len(findings) >= 3
    assert all(f.text.endswith(".") and ":" in f.text for f in findings)
    assert [f.severity for f in findings] == sorted(
        (f.severity for f in findings), key=["error", "warning", "note"].index
    )
    assert kinds(findings) & QUESTIONS_NAME


def test_the_table_is_consistent():
    names = expectations()
    assert len(names) >= 120
    assert set(names) <= set(primary_names())
    for name, expected in names.items():
        smallest, largest = expected.volume_cm3
        assert 0 < smallest < largest, name
        assert expected.levels is None or expected.levels[0] < expected.levels[1], name
        assert set(expected.behind) <= set(primary_names()), name
        assert expected.source, name
    assert (side_of("VB_L"), side_of("Kidney_L"), side_of("Lung_RUL"), side_of("Liver")) == ("", "L", "R", "")
    assert (partner_of("Kidney_L"), partner_of("VB_L"), partner_of("Liver")) == ("Kidney_R", None, None)


@pytest.mark.skipif(not TOTALSEG.exists(), reason="FEDRT_TEST_DATA has no TotalSegmentator example")
def test_a_real_scan_is_plausible_and_mirrored_is_not():
    import SimpleITK as sitk
    from FedRTDatasetLib.imaging.preprocess import grid_of

    image = sitk.ReadImage(str(TOTALSEG))
    labels = sitk.GetArrayFromImage(image)
    numbers = {"Spleen": 1, "Kidney_R": 2, "Kidney_L": 3, "Gallbladder": 4, "Liver": 5, "Stomach": 6, "Pancreas": 7,
               "Glnd_Adrenal_R": 8, "Glnd_Adrenal_L": 9, "Lung_LUL": 10, "Lung_LLL": 11, "Lung_RLL": 14, "Duodenum": 19,
               "A_Aorta": 52, "V_Venacava_I": 63, "SpinalCord": 79}  # fmt: skip
    masks = {name: (labels == number).astype(np.uint8) for name, number in numbers.items()}
    assert check_structures(masks, grid_of(image)) == []
    mirrored = {name.replace("_L", "_#").replace("_R", "_L").replace("_#", "_R") if partner_of(name) else name: mask
                for name, mask in masks.items()}  # fmt: skip
    assert {f.structure for f in check_structures(mirrored, grid_of(image))} >= {"Kidney_L", "Glnd_Adrenal_R"}
