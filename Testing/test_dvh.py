"""DVHs against doses and shapes whose histogram is known exactly, and against Eclipse's own tables."""

import csv
import re

import numpy as np
import pytest
from dvh_shapes import CENTRE_GY, OBLIQUE, SHAPES, UPRIGHT, R, contours, difference, linear_dose, truth
from FedRTDatasetLib.contouring.rasterise import rasterise
from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
from FedRTDatasetLib.dosimetry.area_curve import area_curve
from FedRTDatasetLib.dosimetry.dose_sum import DoseSum
from FedRTDatasetLib.dosimetry.dvh import dvh_of_contours, dvh_of_mask
from FedRTDatasetLib.dosimetry.dvh_values import (
    conformity,
    homogeneity,
    metric,
    values_of,
)
from FedRTDatasetLib.dosimetry.rtdose import DoseGrid, read_rtdose
from FedRTDatasetLib.dosimetry.sampling import sample_solid
from FedRTDatasetLib.dosimetry.sections import solid_of
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.geometry import SliceStack

WITHIN_GY, WITHIN_PERCENT = 0.1, 1.0  # what is promised
TURNS = pytest.mark.parametrize("turn", [UPRIGHT, OBLIQUE], ids=["upright", "oblique"])


def square(side, z, centre=(0.0, 0.0)):
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * side / 2 + centre
    return np.column_stack([corners, np.full(4, float(z))])


def moved(polygon, z):
    return polygon + np.array([0.0, 0.0, z])


def uniform(gray=10.0, reach=60.0):
    positions = np.array([[-reach, -reach, -reach], [-reach, -reach, reach]])
    return DoseGrid(
        np.full((2, 3, 3), gray, np.float32), SliceStack(positions, UPRIGHT[0], UPRIGHT[1], (reach, reach), (2, 3, 3))
    )


@TURNS
@pytest.mark.parametrize("along_axis", [True, False], ids=["dose-along", "dose-across"])
@pytest.mark.parametrize("step", [1.0, 3.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_cut_across_their_axis(shape, step, along_axis, turn):
    exact = truth(shape, along_axis)
    for phase in (0.3, 0.5) if shape == "sphere" else (0.5,):  # the flat ends lie half a slice beyond the last contour
        polygons, stack = contours(shape, step, phase=phase, turn=turn)
        found = difference(dvh_of_contours(polygons, linear_dose(along_axis, step, turn), stack), exact)
        assert found.dose <= WITHIN_GY / 2
        assert found.volume_above <= WITHIN_PERCENT / 2
        assert found.volume <= WITHIN_PERCENT / 2
        assert found.mean <= 0.02


@TURNS
@pytest.mark.parametrize("along_axis", [True, False], ids=["dose-along", "dose-across"])
@pytest.mark.parametrize("shape", ["sphere", "cylinder"])
def test_shapes_cut_along_their_axis(shape, along_axis, turn):
    """Sagittal slices, say. (A cone's tip lies between such slices, and nothing in the contours tells of it.)"""
    exact = truth(shape, along_axis)
    for step in (1.0, 3.0):
        polygons, stack = contours(shape, step, across=False, phase=0.4, turn=turn)
        found = difference(dvh_of_contours(polygons, linear_dose(along_axis, 2.5, turn), stack), exact)
        assert found.dose <= WITHIN_GY
        assert found.volume_above <= WITHIN_PERCENT
        assert found.volume <= WITHIN_PERCENT


def test_a_structure_smaller_than_a_dose_voxel():
    polygons, _ = contours("sphere", 2.0)
    polygons = [polygon / 10 for polygon in polygons]  # 2.4 mm across, on slices 0.2 mm apart
    dvh = dvh_of_contours(polygons, linear_dose(False, 3.0), None)
    assert dvh.volume_cm3 == pytest.approx(4 / 3 * np.pi * (R / 10) ** 3 / 1000, rel=0.01)
    assert (dvh.minimum, dvh.mean, dvh.maximum) == pytest.approx(
        (CENTRE_GY - 1.2, CENTRE_GY, CENTRE_GY + 1.2), abs=0.02
    )


def test_end_caps():
    polygons, stack = contours("cylinder", 3.0)
    volume = {
        ends: dvh_of_contours(polygons, uniform(), stack, ends=ends).volume_cm3 for ends in ("rounded", "half", "none")
    }
    base = np.pi * R**2 / 1000
    assert volume == pytest.approx({"rounded": 24 * base, "half": 24 * base, "none": 21 * base}, rel=1e-3)
    tapering = [square(side, z) for z, side in enumerate((20, 21, 21.5, 21, 20))]  # drawn one by one, and ends abruptly
    volume = {ends: dvh_of_contours(tapering, uniform(), ends=ends).volume_cm3 for ends in ("rounded", "half", "none")}
    assert volume["none"] < volume["rounded"] < volume["half"]


def test_a_structure_that_flares_goes_on_to_flare():
    """Cut off at its wide end: the cap is wider than every contour."""
    angle = np.arange(90) * 2 * np.pi / 90
    rings = [
        np.column_stack([r * np.cos(angle), r * np.sin(angle), np.full(90, z)])
        for z, r in ((0, 10.0), (3, 15), (6, 20))
    ]
    dvh = dvh_of_contours(rings, linear_dose(False, 2.0))
    exact = np.pi / 3 * (22.5**3 - 7.5**3) * 3 / 5 / 1000  # a cone's frustum from r = 7.5 to r = 22.5 in 9 mm
    assert dvh.volume_cm3 == pytest.approx(exact, rel=0.03)  # its narrow end tapers off
    assert dvh.maximum == pytest.approx(CENTRE_GY + 22.5, abs=0.5)


def test_one_contour_is_a_prism_of_one_slice():
    stack = SliceStack(np.array([[-30.0, -30, z] for z in (0, 4, 8)]), UPRIGHT[0], UPRIGHT[1], (1, 1), (3, 61, 61))
    dvh = dvh_of_contours([square(10, 4)], uniform(), stack)
    assert dvh.volume_cm3 == pytest.approx(0.4, rel=1e-3)
    with pytest.raises(FedRTError, match="no volume"):
        dvh_of_contours([square(10, 4)], uniform(), stack, ends="none")
    with pytest.raises(FedRTError, match="slice distance is not known"):
        dvh_of_contours([square(10, 4)], uniform())


def test_contours_of_one_plane_unite_leave_holes_and_count_once():
    """By the rule of contour_rule.py, as masks do."""
    parts = {
        "hole": ([square(20, 0), square(10, 0)], 300),
        "island in a hole": ([square(20, 0), square(10, 0), square(4, 0)], 316),
        "overlap": ([square(20, 0), square(20, 0, (10, 0))], 600),
        "twice": ([square(20, 0), square(20, 0)], 400),
        "apart": ([square(20, 0), square(10, 0, (40, 0))], 500),
        "overlap with a hole": ([square(20, 0), square(20, 0, (10, 0)), square(4, 0, (-6, 0))], 584),
    }
    for name, (loops, area) in parts.items():
        polygons = [moved(loop, z) for loop in loops for z in (0.0, 2.0, 4.0)]
        dvh = dvh_of_contours(polygons, uniform())
        assert dvh.volume_cm3 == pytest.approx(area * 6 / 1000, rel=2e-3), name
    exclusive = [moved(loop, z) for loop in parts["overlap"][0] for z in (0.0, 2.0, 4.0)]
    assert dvh_of_contours(exclusive, uniform(), exclusive=True).volume_cm3 == pytest.approx(400 * 6 / 1000, rel=2e-3)


def test_contours_on_every_other_slice_are_bridged_and_a_single_gap_divides():
    stack = SliceStack(np.array([[-30.0, -30, z] for z in range(20)]), UPRIGHT[0], UPRIGHT[1], (1, 1), (20, 61, 61))
    bridged = dvh_of_contours([square(10, z) for z in (4, 6, 8, 10)], uniform(), stack)
    assert bridged.bridged_slices == 3
    assert bridged.volume_cm3 == pytest.approx(0.1 * 7, rel=1e-3)
    divided = dvh_of_contours([square(10, z) for z in (2, 3, 4, 10, 11, 12)], uniform(), stack)
    assert divided.bridged_slices == 0
    assert divided.volume_cm3 == pytest.approx(0.1 * 6, rel=1e-3)


def test_tilted_slices_and_slices_of_uneven_distance():
    """A gantry tilt displaces slices in their plane; contours lie where they lie."""
    polygons, _ = contours("sphere", 2.0)
    uneven = [polygon for n, polygon in enumerate(polygons) if n not in (4, 5)]  # two image slices are missing as well
    slices = np.array([[-30.0, -30 + 0.3 * polygon[0, 2], polygon[0, 2]] for polygon in uneven])
    stack = SliceStack(slices, UPRIGHT[0], UPRIGHT[1], (1, 1), (len(slices), 61, 61))
    found = difference(dvh_of_contours(uneven, linear_dose(True, 2.0), stack), truth("sphere", True))
    assert max(found.dose, found.volume) <= 0.1


def test_a_dose_grid_smaller_than_the_structure_is_told_and_not_extended():
    polygons, stack = contours("cylinder", 2.0)
    whole = linear_dose(True, 2.0)
    part = whole.stack.positions[:, 2] <= 0.1
    cut = SliceStack(
        whole.stack.positions[part],
        UPRIGHT[0],
        UPRIGHT[1],
        whole.stack.spacing,
        (int(part.sum()), *whole.values.shape[1:]),
    )
    dvh = dvh_of_contours(polygons, DoseGrid(whole.values[part], cut), stack)
    assert dvh.covered == pytest.approx(0.5, abs=0.01)
    assert (dvh.mean, dvh.maximum) == pytest.approx((CENTRE_GY - 6, CENTRE_GY), abs=0.1)
    assert dvh.volume_cm3 == pytest.approx(2 * dvh.covered_cm3, rel=0.02)
    both = dvh_of_contours(polygons, DoseSum((whole, DoseGrid(whole.values[part], cut))), stack)
    assert (both.covered, both.complete) == pytest.approx((1.0, 0.5), abs=0.01)
    far = [moved(polygon, 500) for polygon in polygons]
    with pytest.raises(FedRTError, match="does not reach it"):
        dvh_of_contours(far, whole)


def test_a_mask_gives_the_dvh_of_its_voxels():
    polygons, _ = contours("sphere", 1.0)
    along = np.arange(-16, 17.0)
    slices = np.column_stack([np.full((33, 2), -30.0), along + 0.5])
    stack = SliceStack(slices, UPRIGHT[0], UPRIGHT[1], (1.0, 1.0), (33, 61, 61))
    mask, _ = rasterise(polygons, stack)
    found = difference(dvh_of_mask(mask, stack, linear_dose(False, 2.0)), truth("sphere", False))
    assert max(found.dose, found.mean) < 0.15
    assert found.volume < 0.5
    with pytest.raises(FedRTError, match="mask is empty"):
        dvh_of_mask(0 * mask, stack, uniform())


def test_the_area_curve_of_a_cone_and_its_samples():
    polygons, stack = contours("cone", 3.0)
    solid = solid_of(polygons, stack.positions, stack.normal)
    curve = area_curve(solid.parts[0], "rounded")
    assert (curve.start, curve.end) == pytest.approx((-R, R), abs=0.02)
    at = np.linspace(-11.9, 11.9, 50)
    assert curve.at(at) == pytest.approx(np.pi * (0.5 * (R - at)) ** 2, abs=1.0)
    samples = sample_solid(solid, 50_000)
    centroid = np.average(samples.points, axis=0, weights=samples.volumes)
    assert centroid == pytest.approx([0, 0, -R / 2], abs=0.02)
    again = sample_solid(solid, 50_000)
    assert np.array_equal(samples.points, again.points)  # no chance in it


def test_values():
    """A cylinder in a dose along its axis: every dose between 18 and 42 Gy for the same volume."""
    polygons, stack = contours("cylinder", 2.0)
    dvh = dvh_of_contours(polygons, linear_dose(True, 2.0), stack)
    total = np.pi * R**2 * 24 / 1000
    wanted = [
        metric(name) for name in ("D95%", "D2cc", "V30Gy", "V3600cGy", "V36Gy[cc]", "V110%", "V110%[cc]", "D99cc")
    ]
    values = values_of(dvh, wanted, 30.0)
    assert values.pop("D99cc_Gy") is None  # more than there is
    assert values == pytest.approx({
        "D95%_Gy": 18 + 0.05 * 24, "D2cc_Gy": 42 - 2 / total * 24, "V30Gy_%": 50, "V3600cGy_%": 25, "V36Gy_cm3": total / 4,
        "V110%_%": 37.5, "V110%_cm3": 0.375 * total,
    }, abs=0.05)  # fmt: skip
    assert values_of(dvh, [metric("V95%")], None) == {"V95%_%": None}
    assert dvh.dose_to_percent(0) == dvh.maximum == pytest.approx(42, abs=0.02)
    assert dvh.dose_to_percent(100) == dvh.minimum == pytest.approx(18, abs=0.02)
    for a in (1.0, 5.0, -5.0):
        mean_power = (42 ** (a + 1) - 18 ** (a + 1)) / (a + 1) / 24
        assert dvh.generalised_eud(a) == pytest.approx(mean_power ** (1 / a), abs=0.02)
    assert homogeneity(dvh, 30.0) == pytest.approx(
        {"HI_ICRU83": 0.96 * 24 / 30, "HI_Wu": 0.96 * 24 / 30, "HI_D5D95": 40.8 / 19.2, "HI_RTOG": 1.4}, abs=0.01
    )
    _, cumulative, differential = dvh.curve(0.5)
    assert cumulative[0] == pytest.approx(total, rel=1e-3)
    assert differential[40:80] == pytest.approx(total / 48, rel=0.03)
    assert float((cumulative[:-1] - cumulative[1:] - differential[:-1]).max()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["D95", "V20", "X5%", "D101%", "V20Gy[ml]", "D2Gy", "", "V5cc"])
def test_a_value_nobody_knows_is_refused(name):
    with pytest.raises(FedRTError, match=r"is no DVH value"):
        metric(name)


def test_conformity_of_a_sphere_in_a_ball_shaped_dose():
    """The dose falls off from the middle: 30 Gy at 12 mm, the sphere's surface, and 15 Gy at 27 mm."""
    axis = -40 + 2.0 * np.arange(41)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    stack = SliceStack(np.column_stack([np.full((41, 2), -40.0), axis]), UPRIGHT[0], UPRIGHT[1], (2, 2), (41, 41, 41))
    dose = DoseSum((DoseGrid((42 - np.sqrt(x**2 + y**2 + z**2)).astype(np.float32), stack),))
    polygons, slices = contours("sphere", 2.0)
    dvh = dvh_of_contours(polygons, dose, slices)
    at_25 = conformity(dvh, dose, 25.0)  # its isodose is 17 mm wide and holds the sphere
    assert at_25["coverage"] == pytest.approx(1, abs=1e-3)
    assert at_25["CI_RTOG"] == pytest.approx((17 / 12) ** 3, rel=0.02)
    assert at_25["CI_Paddick"] == pytest.approx((12 / 17) ** 3, rel=0.02)
    assert at_25["GI_Paddick"] == pytest.approx((29.5 / 17) ** 3, rel=0.02)


def eclipse_tables(folder) -> dict[str, tuple[float, np.ndarray]]:
    """ROI name without spaces -> volume in cm3 and (n, 2) Gy, percent of the volume that gets at least that."""
    with open(folder / "EclipseProstate_DvhTable_Eclipse.csv", newline="") as file:
        head, *rows = list(csv.reader(file))
    tables = {}
    for column in range(0, len(head) - 1, 2):
        points = np.array([[float(row[column]), float(row[column + 1])] for row in rows if row[column]])
        points = points[points[:, 0] >= np.maximum.accumulate(points[:, 0])]  # one row holds a slip of the pen
        tables[head[column].split("_Dvh")[0]] = (float(re.search(r"of ([\d.]+) cc", head[column + 1])[1]), points)
    return tables


def test_eclipses_own_dvhs(real_data):
    folder = real_data / "eclipse_prostate"
    tables, dose = eclipse_tables(folder), read_rtdose(folder / "rd.dcm")
    rois = {roi.name.replace(" ", ""): roi for roi in read_rtstruct(folder / "rs.dcm")}
    for name, (volume, points) in tables.items():
        dvh = dvh_of_contours(rois[name].polygons, dose)
        mean = np.trapezoid(points[:, 1] / 100, points[:, 0])
        assert abs(dvh.mean - mean) <= 0.05, name
        assert dvh.volume_cm3 == pytest.approx(volume, rel=0.01), name
        assert max(abs(dvh.percent_above(gray) - percent) for gray, percent in points) <= 0.5, name
        for percent in (95, 5, 2, 1):
            assert dvh.dose_to_percent(percent) == pytest.approx(
                np.interp(-percent, -points[:, 1], points[:, 0]), abs=0.05
            ), (name, percent)
