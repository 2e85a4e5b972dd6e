"""DVHs against exact ones and against Eclipse's, with other programs on the same files in the same run.

    python Testing/benchmarks/dvh/run.py [--dicompyler PYTHON] [--repeats 3]

PYTHON is a Python that has dicompyler-core, `pydicom<3` and scikit-image; plastimatch is used where it is installed. The
Eclipse comparison needs FEDRT_TEST_DATA (README.md).
"""

import argparse
import csv
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from cases import SHAPES, Case, write_cases
from dvh_shapes import PERCENTS, truth
from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
from FedRTDatasetLib.dosimetry.dvh import dvh_of_contours
from FedRTDatasetLib.dosimetry.rtdose import read_rtdose
from FedRTDatasetLib.dosimetry.sections import END_CAPS

DICOMPYLER = {
    "dicompyler-core": {"calculate_full_volume": True},
    "dicompyler-core, interpolated": {"interpolation_resolution": 0.5, "interpolation_segments_between_planes": 2},
}
ECLIPSE_PERCENTS = (98, 95, 50, 5, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dicompyler", metavar="PYTHON", help="a Python that has dicompyler-core")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cases = write_cases(Path(folder))
        programs = {"FedRT": lambda jobs: [fedrt(*job) for job in jobs]}
        if args.dicompyler:
            for name, settings in DICOMPYLER.items():
                programs[name] = lambda jobs, settings=settings: dicompyler(args.dicompyler, jobs, settings, folder)
        if shutil.which("plastimatch"):
            programs["plastimatch"] = lambda jobs: [plastimatch(*job, folder) for job in jobs]
        print(
            f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {args.repeats} repeats\n"
        )
        shapes(cases, programs, args.repeats)
        data = Path(os.environ.get("FEDRT_TEST_DATA", "absent")) / "eclipse_prostate"
        if data.is_dir():
            eclipse(data, programs, args.repeats)


def fedrt(rtstruct: Path, rtdose: Path, ends: str = "rounded") -> dict[str, dict]:
    """Each ROI: volume, mean, seconds and two functions of its DVH."""
    start = time.process_time()
    rois, dose = read_rtstruct(rtstruct), read_rtdose(rtdose)
    reading = (time.process_time() - start) / len(rois)
    results = {}
    for roi in rois:
        start = time.process_time()
        dvh = dvh_of_contours(roi.polygons, dose, ends=ends)
        results[roi.name] = {
            "volume_cm3": dvh.volume_cm3, "mean": dvh.mean, "dose_to": dvh.dose_to_percent,
            "above": lambda gray, dvh=dvh: np.array([dvh.percent_above(g) for g in np.atleast_1d(gray)]),
            "seconds": time.process_time() - start + reading,
        }  # fmt: skip
    return results


def dicompyler(python: str, jobs: list[tuple[Path, Path]], settings: dict, folder: str) -> list[dict[str, dict]]:
    asked, told = Path(folder) / "jobs.json", Path(folder) / "results.json"
    asked.write_text(json.dumps([{"rtstruct": str(s), "rtdose": str(d), "settings": settings} for s, d in jobs]))
    script = Path(__file__).with_name("peer_dicompyler.py")
    subprocess.run([python, str(script), str(asked), str(told)], check=True, stderr=subprocess.DEVNULL)
    return [
        {name: roi if "error" in roi else with_curve(roi) for name, roi in rois.items()}
        for rois in json.loads(told.read_text())
    ]


def plastimatch(rtstruct: Path, rtdose: Path, folder: str) -> dict[str, dict]:
    """Seconds are those of both commands, shared among the ROIs."""
    work = Path(tempfile.mkdtemp(dir=folder))
    images = rtstruct.parent if rtstruct.name == "structures.dcm" else rtstruct.parent / "ct"
    (work / "in").mkdir()
    for file in (*images.glob("*.dcm"), rtstruct, rtdose):
        if not (work / "in" / file.name).exists():
            (work / "in" / file.name).symlink_to(file)
    start = children_seconds()
    out = [
        f"--output-{what}={work / name}"
        for what, name in (("ss-img", "s.mha"), ("ss-list", "s.txt"), ("dose-img", "d.mha"))
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["plastimatch", "convert", f"--input={work / 'in'}", *out], check=True, **quiet)
    command = ["plastimatch", "dvh", "--input-ss-img", work / "s.mha", "--input-ss-list", work / "s.txt"]
    command += [
        "--input-dose",
        work / "d.mha",
        "--output-csv",
        work / "o.csv",
        "--bin-width",
        "0.02",
        "--num-bins",
        "3000",
    ]
    subprocess.run([str(part) for part in command], check=True, **quiet)
    seconds = children_seconds() - start
    with open(work / "o.csv", newline="") as file:
        head, *rows = list(csv.reader(file))
    values = np.array([[float(cell) for cell in row if cell] for row in rows])
    results = {}
    for i, name in enumerate(head):
        if i and name:
            results[name] = with_curve({
                "volume_cm3": float("nan"), "gray": values[:, 0], "percent": 100 * values[:, i],
                "mean": float(np.trapezoid(values[:, i], values[:, 0])), "seconds": seconds / (len(head) - 1),
            })  # fmt: skip
    return results


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def with_curve(roi: dict) -> dict:
    gray, percent = np.asarray(roi["gray"]), np.asarray(roi["percent"])
    roi["dose_to"] = lambda x: float(np.interp(-x, -percent, gray))
    roi["above"] = lambda at: np.interp(at, gray, percent)
    return roi


def shapes(cases: list[Case], programs: dict, repeats: int) -> None:
    """How far every program is from the exact DVH, the worst and the median case of each shape."""
    jobs = [(case.rtstruct, case.rtdose) for case in cases]
    print("| program | shape | dose to 1..99%, Gy: median / worst | volume above a dose, %: median / worst | mean, Gy: worst "
          "| volume, %: worst |\n|---|---|---|---|---|---|")  # fmt: skip
    seconds = {name: [] for name in programs}
    for name, program in programs.items():
        for repeat in range(repeats):
            results = program(jobs)
            seconds[name].append(statistics.median(next(iter(result.values()))["seconds"] for result in results))
            if repeat:
                continue
            for shape in SHAPES:
                errors = [
                    error(case, next(iter(r.values())))
                    for case, r in zip(cases, results, strict=True)
                    if case.shape == shape
                ]
                dose, above, mean, volume = np.array(errors).T
                print(
                    f"| {name} | {shape} | {np.median(dose):.2f} / {dose.max():.2f} "
                    f"| {np.median(above):.2f} / {above.max():.2f} | {mean.max():.2f} | {told(volume.max(), '.2f')} |"
                )
    print_times("a shape", seconds)


def told(value: float, form: str) -> str:
    return "not told" if np.isnan(value) else format(value, form)


def error(case: Case, found: dict) -> tuple[float, float, float, float]:
    exact = truth(case.shape, case.along_axis)
    gray = exact.doses[5:-5:20]
    return (
        max(abs(found["dose_to"](p) - exact.dose_to_percent(p)) for p in PERCENTS),
        float(np.abs(found["above"](gray) - exact.percent_above(gray)).max()),
        abs(found["mean"] - exact.mean),
        100 * abs(found["volume_cm3"] / exact.volume_cm3 - 1),
    )


def eclipse(folder: Path, programs: dict, repeats: int) -> None:
    """How far every program is from the DVH table that Eclipse wrote."""
    tables = eclipse_tables(folder)
    job = (folder / "rs.dcm", folder / "rd.dcm")
    programs = {**programs, **{f"FedRT, end caps {e}": lambda jobs, e=e: [fedrt(*jobs[0], e)] for e in END_CAPS[1:]}}
    seconds = {name: [] for name in programs}
    print("\n| program | ROI | volume cm3 (Eclipse) | mean, Gy | " + " | ".join(f"D{p}%, Gy" for p in ECLIPSE_PERCENTS)
          + " | volume above a dose, %: worst |\n|" + "---|" * (5 + len(ECLIPSE_PERCENTS)))  # fmt: skip
    for name, program in programs.items():
        for repeat in range(1 if "interpolated" in name else repeats):
            (results,) = program([job])
            seconds[name].append(sum(roi["seconds"] for roi in results.values()))
            if repeat:
                continue
            for roi, (volume, points) in tables.items():
                found = next((r for n, r in results.items() if re.sub(r"\W", "", n) == roi), {"error": "absent"})
                if "error" in found:
                    print(f"| {name} | {roi} | {found['error']} |")
                    continue
                mean = np.trapezoid(points[:, 1] / 100, points[:, 0])
                doses = [found["dose_to"](p) - np.interp(-p, -points[:, 1], points[:, 0]) for p in ECLIPSE_PERCENTS]
                above = np.abs(found["above"](points[:, 0]) - points[:, 1]).max()
                print(
                    f"| {name} | {roi} | {told(found['volume_cm3'], '.1f')} ({volume:.1f}) | {found['mean'] - mean:+.3f} | "
                    + " | ".join(f"{dose:+.2f}" for dose in doses)
                    + f" | {above:.2f} |"
                )
    print_times("all six ROIs of the Eclipse plan", seconds)


def eclipse_tables(folder: Path) -> dict[str, tuple[float, np.ndarray]]:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from test_dvh import eclipse_tables as read

    return read(folder)


def print_times(what: str, seconds: dict[str, list[float]]) -> None:
    print(f"\nProcessor seconds for {what}, reading included (median), and as a multiple of FedRT's:\n")
    own = statistics.median(seconds["FedRT"])
    for name, values in seconds.items():
        print(f"- {name}: {statistics.median(values):.3f} s, {statistics.median(values) / own:.2f}")


if __name__ == "__main__":
    main()
