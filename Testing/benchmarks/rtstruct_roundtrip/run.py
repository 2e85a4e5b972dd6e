"""Mask -> RTSTRUCT -> mask: FedRT, plastimatch and rt-utils on the same series in the same run.

    python Testing/benchmarks/rtstruct_roundtrip/run.py [--repeat 5]

Each tool writes the structures with its own writer and reads them back with its own reader. Time is that from a folder
of DICOM slices and masks in memory (plastimatch: in files, it is a program) to the RTSTRUCT on disk. Surface errors
are mean distances of the written contours, by their length, to the sphere that was sampled; a pixel that is not square
counts with the geometric mean of its sides. A tool that is not installed is left out.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from dicom_maker import make_series
from FedRTDatasetLib.contouring.outline import outline
from FedRTDatasetLib.contouring.rasterise import rasterise
from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
from FedRTDatasetLib.contouring.rtstruct_write import RoiContours, write_rtstruct
from FedRTDatasetLib.imaging.geometry import to_image
from FedRTDatasetLib.imaging.series import load_series
from FedRTDatasetLib.index.dicom_index import index_folders

GRIDS = {"square pixels": (1.0, 1.0, 1.0), "non-square pixels": (0.7, 1.3, 2.5)}
SHAPE = (64, 220, 220)  # rt-utils reads nothing but square matrices right
SPHERES = {"sphere_12": 12.0, "sphere_20": 20.0, "sphere_28": 28.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="runs of each tool; the median counts")
    args = parser.parse_args()
    tools = {"FedRT": FedRT, "FedRT, tolerance 0.05": FedRTThinned, "plastimatch": Plastimatch, "rt-utils": RtUtils}
    tools = {name: tool for name, tool in tools.items() if tool.is_there()}
    for grid, spacing in GRIDS.items():
        with tempfile.TemporaryDirectory() as folder:
            compare(Path(folder), grid, spacing, tools, args.repeat)
    print(
        f"\n{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, median of {args.repeat} runs"
    )


def compare(folder: Path, grid: str, spacing: tuple, tools: dict, repeat: int) -> None:
    """Print the table of one grid."""
    made = make_series(
        folder / "ct", slices=SHAPE[0], rows=SHAPE[1], columns=SHAPE[2], spacing=spacing[:2], step=spacing[2]
    )
    for header, file in zip(made.headers, made.files, strict=True):  # what rt-utils takes for granted
        header.StudyDate = header.SeriesDate = "20200101"
        header.StudyTime = header.SeriesTime = "120000"
        header.StudyDescription = header.SeriesDescription = header.StudyID = "benchmark"
        header.save_as(file)
    loaded = load_series(next(iter(index_folders([folder / "ct"]).series.values())))
    masks, centres = structures(loaded.stack, spacing)
    seconds = {name: [] for name in tools}
    for n in range(repeat):  # in turn, so that other work on the machine meets all of them
        for name, tool in tools.items():
            out = folder / f"{name}-{n}.dcm"
            seconds[name].append(tool.write(folder / "ct", masks, out))
    ours = np.median(seconds["FedRT"])
    print(
        f"\n{grid} ({spacing[0]} x {spacing[1]} mm, slices {spacing[2]} mm apart), {SHAPE[2]} x {SHAPE[1]} x {SHAPE[0]}\n"
    )
    print("| tool | exact structures | wrong voxels | surface error, pixels (r = 12, 20, 28 mm) | points | time |")
    print("|---|---|---|---|---|---|")
    for name, tool in tools.items():
        out = folder / f"{name}-0.dcm"
        back = tool.read(folder / "ct", out, list(masks))
        wrong = {roi: int((back[roi] != mask).sum()) if roi in back else int(mask.sum()) for roi, mask in masks.items()}
        exact = sum(count == 0 for count in wrong.values())
        polygons = {roi.name: roi.polygons for roi in read_rtstruct(out)}
        errors = ", ".join(
            f"{surface(polygons[roi], centres[roi], r) / np.sqrt(spacing[0] * spacing[1]):.3f}"
            for roi, r in SPHERES.items()
        )
        points = sum(len(polygon) for loops in polygons.values() for polygon in loops)
        ratio = np.median(seconds[name]) / ours
        print(f"| {name} | {exact} of {len(masks)} | {sum(wrong.values())} | {errors} | {points} | {ratio:.1f} |")


def structures(stack, spacing) -> tuple[dict, dict]:
    """Masks by name, and the centres of the spheres (LPS mm)."""
    k, y, x = np.indices(stack.shape)
    points = np.stack([x * spacing[0], y * spacing[1], k * spacing[2]], axis=-1)
    masks, centres = {}, {}
    for n, (name, radius) in enumerate(SPHERES.items()):
        centre = np.array([(22.3, 66.3, 118.3)[n], 60.7, stack.shape[0] * spacing[2] / 2 + 0.21])
        masks[name] = np.linalg.norm(points - centre, axis=-1) <= radius
        centres[name] = centre + stack.positions[0]
    square = np.maximum(np.abs(x - 60), np.abs(y - 100))
    inner = (k > 5) & (k < 40)
    masks["thin_wall"] = inner & (square == 30)
    masks["nested"] = inner & (square % 10 < 5) & (square < 40)
    masks["holes"] = inner & (square < 30) & ((x % 6 > 0) | (y % 6 > 0))
    masks["corners"] = inner & ((x // 5 + y // 5) % 2 == 0) & (square < 12)
    masks["border"] = inner & ((x < 3) | (y < 5) | (x > stack.shape[2] - 4))
    masks["whole_slices"] = inner & np.ones(stack.shape, bool)
    masks["voxels"] = inner & (x % 20 == 3) & (y % 20 == 3)
    return masks, centres


def surface(polygons: list, centre: np.ndarray, radius: float) -> float:
    """Mean distance (mm) of contours to a sphere, by length."""
    total = weight = 0.0
    for polygon in polygons:
        edge = np.roll(polygon, -1, axis=0) - polygon
        length = np.linalg.norm(edge, axis=1)
        points = polygon + ((np.arange(8) + 0.5) / 8)[:, None, None] * edge
        total += (np.abs(np.linalg.norm(points - centre, axis=2) - radius).mean(axis=0) * length).sum()
        weight += length.sum()
    return total / weight


class FedRT:
    """This package, as its command does it: every slice is read, pixels included."""

    tolerance = 0.0

    @staticmethod
    def is_there() -> bool:
        return True

    @classmethod
    def write(cls, series: Path, masks: dict, out: Path) -> float:
        start = time.perf_counter()
        loaded = load_series(next(iter(index_folders([series]).series.values())))
        rois = [RoiContours(name, outline(m, loaded.stack, tolerance=cls.tolerance)) for name, m in masks.items()]
        write_rtstruct(out, loaded.headers, rois, "FedRT")
        return time.perf_counter() - start

    @staticmethod
    def read(series: Path, rtstruct: Path, names: list) -> dict:
        stack = load_series(next(iter(index_folders([series]).series.values()))).stack
        return {roi.name: rasterise(roi.polygons, stack)[0] for roi in read_rtstruct(rtstruct)}


class FedRTThinned(FedRT):
    """With points thinned by up to 0.05 pixel."""

    tolerance = 0.05


class Plastimatch:
    """Debian's plastimatch."""

    @staticmethod
    def is_there() -> bool:
        return shutil.which("plastimatch") is not None

    @staticmethod
    def write(series: Path, masks: dict, out: Path) -> float:
        import SimpleITK as sitk

        work = out.with_suffix(".work")
        (work / "masks").mkdir(parents=True)
        loaded = load_series(next(iter(index_folders([series]).series.values())))
        image = to_image(loaded.array, loaded.stack)
        for name, mask in masks.items():
            stored = sitk.GetImageFromArray(mask.astype(np.uint8))
            stored.CopyInformation(image)
            sitk.WriteImage(stored, str(work / "masks" / f"{name}.nrrd"))
        start = time.perf_counter()
        told = ["plastimatch", "convert", "--input-prefix", str(work / "masks"), "--referenced-ct", str(series)]
        subprocess.run([*told, "--output-dicom", str(work / "dicom")], check=True, capture_output=True)
        seconds = time.perf_counter() - start
        shutil.copy(next((work / "dicom").glob("rtss*.dcm")), out)
        shutil.rmtree(work)
        return seconds

    @staticmethod
    def read(series: Path, rtstruct: Path, names: list) -> dict:
        import SimpleITK as sitk

        with tempfile.TemporaryDirectory() as folder:
            loaded = load_series(next(iter(index_folders([series]).series.values())))
            fixed = Path(folder) / "grid.mha"
            sitk.WriteImage(to_image(loaded.array, loaded.stack), str(fixed))
            told = ["plastimatch", "convert", "--input", str(rtstruct), "--fixed", str(fixed)]
            told += ["--output-prefix", folder, "--prefix-format", "nrrd"]
            subprocess.run(told, check=True, capture_output=True)
            return {
                path.stem: sitk.GetArrayFromImage(sitk.ReadImage(str(path))) > 0 for path in Path(folder).glob("*.nrrd")
            }


class RtUtils:
    """rt-utils from PyPI (`pip install rt-utils` in an environment of its own)."""

    @staticmethod
    def is_there() -> bool:
        try:
            import rt_utils  # noqa: F401
        except ImportError:
            return False
        return True

    @staticmethod
    def write(series: Path, masks: dict, out: Path) -> float:
        from rt_utils import RTStructBuilder

        start = time.perf_counter()
        builder = RTStructBuilder.create_new(dicom_series_path=str(series))
        for name, mask in masks.items():
            builder.add_roi(mask=mask.transpose(1, 2, 0), name=name)
        builder.save(str(out))
        return time.perf_counter() - start

    @staticmethod
    def read(series: Path, rtstruct: Path, names: list) -> dict:
        from rt_utils import RTStructBuilder

        stored = RTStructBuilder.create_from(dicom_series_path=str(series), rt_struct_path=str(rtstruct))
        return {name: stored.get_roi_mask_by_name(name).transpose(2, 0, 1) for name in stored.get_roi_names()}


if __name__ == "__main__":
    main()
