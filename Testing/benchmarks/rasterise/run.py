"""RTSTRUCT to masks: speed, memory and exactness beside other tools, in one run.

    python Testing/benchmarks/rasterise/run.py --out FOLDER [--peers VENV] [--runs 5]

Makes a CT of 150 slices of 512 x 512 with 25 ROIs and a small case of shapes whose area is known, lets every tool convert
both (a process each, image loading included, one after the other in turns), and prints medians and ratios. `--peers` is a
virtual environment with dcmrtstruct2nii, rt-utils, platipy and DicomRTTool; plastimatch comes from the system. Tools that
do not get the voxels of a plain circle right are not timed.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
from dicom_maker import Series, add_rtstruct, ellipse, make_series  # noqa: E402

SPACING, STEP = (0.97, 0.97), 3.0
OURS = ("fedrt", "fedrt_written")
PEERS = ("plastimatch", "dcmrtstruct2nii", "rt_utils", "platipy", "dicomrttool")
EXACT = 0.9995
SLOW, LONGEST = 60.0, 600.0
SHAPES = {
    "circle": [((97.3, 101.2), 44.9)],
    "keyhole": [((97.3, 101.2), 44.9), ((101.6, 95.7), 20.3)],
    "hole drawn inside": [((97.3, 101.2), 44.9), ((101.6, 95.7), 20.3)],
    "two that overlap": [((80.3, 101.2), 30.9), ((112.6, 95.7), 25.3)],
}
CONTOURED = range(4, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for cases and results; about 2 GB while running"
    )
    parser.add_argument("--peers", type=Path, help="virtual environment that holds the Python peers")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    small, large = args.out / "shapes", args.out / "case"
    make_shapes(small)
    image_mb, mask_mb = make_case(large)

    tools = [tool for tool in (*OURS, *PEERS) if available(tool, args.peers)]
    exact = {tool: exactness(tool, small, args) for tool in tools}
    times: dict[str, list[dict]] = {tool: [] for tool in tools}
    timed = [tool for tool in tools if tool in OURS or exact[tool].get("circle", 0.0) >= EXACT]
    for run in range(args.runs):
        for tool in timed:
            if any(told.get("process_s", SLOW) >= SLOW for told in times[tool]):
                continue  # one measurement of what takes minutes, or failed, is enough
            print(f"run {run + 1}/{args.runs}: {tool}", file=sys.stderr, flush=True)
            times[tool].append(convert(tool, large, args))
    result = summary(exact, times, image_mb, mask_mb)
    (args.out / "results.json").write_text(json.dumps(result, indent=2))
    print(as_text(result))


def make_shapes(folder: Path) -> None:
    """Shapes on slices 4 to 15 of a small CT."""
    shutil.rmtree(folder, ignore_errors=True)
    series = make_series(folder / "images", slices=20, rows=200, columns=200, spacing=SPACING, step=STEP)
    rois: dict[str, list[np.ndarray]] = {}
    for name, circles in SHAPES.items():
        loops = [ellipse(centre, (radius, radius), points=1500) for centre, radius in circles]
        if name == "keyhole":
            outer, inner = loops
            loops = [np.concatenate([outer, outer[:1], inner[::-1], inner[-1:]])]
        rois[name] = [series.plane(k, loop) for k in CONTOURED for loop in loops]
    add_rtstruct(series, rois, folder / "structures.dcm")


def truth(name: str) -> np.ndarray:
    """bool [k, y, x]: voxel centres inside the shape."""
    y, x = np.mgrid[:200, :200] * SPACING[0]
    inside = [np.hypot(x - cx, y - cy) < radius for (cx, cy), radius in SHAPES[name]]
    area = inside[0]
    if name in ("keyhole", "hole drawn inside"):
        area = inside[0] & ~inside[1]
    elif name == "two that overlap":
        area = inside[0] | inside[1]
    mask = np.zeros((20, 200, 200), dtype=bool)
    mask[CONTOURED.start : CONTOURED.stop] = area
    return mask


def make_case(folder: Path) -> tuple[float, float]:
    """150 slices of 512 x 512 and 25 ROIs: a body on every slice and 24 organs of other sizes; MB of image and mask."""
    shutil.rmtree(folder, ignore_errors=True)
    series = make_series(folder / "images", slices=150, rows=512, columns=512, spacing=SPACING, step=STEP)
    random = np.random.default_rng(0)
    rois = {"Body": [organ(series, k, 0, 150, (250.0, 250.0), (220.0, 160.0)) for k in range(150)]}
    for number in range(1, 25):
        count = int(random.integers(20, 130))
        first = int(random.integers(0, 150 - count + 1))
        centre, radii = random.uniform(150, 350, 2), random.uniform(10, 80, 2)
        rois[f"Organ{number}"] = [organ(series, k, first, count, centre, radii) for k in range(first, first + count)]
    add_rtstruct(series, rois, folder / "structures.dcm")
    voxels = 150 * 512 * 512
    return voxels * 4 / 2**20, voxels / 2**20


def organ(series: Series, k: int, first: int, count: int, centre, radii) -> np.ndarray:
    size = 0.6 + 0.4 * np.sin(np.pi * (k - first + 1) / (count + 1))
    return series.plane(k, ellipse(centre, np.array(radii) * size, int(60 + 2 * max(radii))))


def available(tool: str, peers: Path | None) -> bool:
    if tool in OURS:
        return True
    if tool == "plastimatch":
        return shutil.which(tool) is not None
    module = {"dicomrttool": "DicomRTTool"}.get(tool, tool)
    return peers is not None and bool(list(peers.glob(f"lib/python*/site-packages/{module}")))


def convert(tool: str, case: Path, args, keep: Path | None = None) -> dict:
    """Run a tool on a case: seconds of the whole process and of its work without imports, peak MB."""
    out = keep or args.out / "scratch"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    images, rtstruct = case / "images", case / "structures.dcm"
    if tool == "plastimatch":
        command = ["plastimatch", "convert", "--input", rtstruct, "--referenced-ct", images,
                   "--output-ss-img", out / "masks.mha", "--output-ss-list", out / "masks.txt"]  # fmt: skip
    else:
        python = sys.executable if tool in OURS else args.peers / "bin" / "python"
        command = [python, HERE / "tools.py", tool, images, rtstruct, out, *(["--keep"] if keep else [])]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    try:
        ended = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, env=environment, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        return {"failed": [f"not done after {LONGEST} s"]}
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if ended.returncode:
        return {"failed": ended.stderr.strip().splitlines()[-1:] or ["no message"]}
    told = {} if tool == "plastimatch" else json.loads(ended.stdout.strip().splitlines()[-1])
    return {"process_s": wall, "cpu_s": cpu, "work_s": wall, "work_cpu_s": cpu, **told}


def exactness(tool: str, case: Path, args) -> dict[str, float]:
    """Dice with the analytic shape, by shape."""
    out = args.out / f"shapes_{tool}"
    ended = convert(tool, case, args, keep=out)
    if "failed" in ended:
        return {"failed": ended["failed"]}
    masks = plastimatch_masks(out) if tool == "plastimatch" else {p.stem: np.load(p) for p in out.glob("*.npy")}
    found = {}
    for name in SHAPES:
        mask = masks.get("".join(c for c in name if c.isalnum()))
        found[name] = 0.0 if mask is None else float(2 * (mask & truth(name)).sum() / (mask.sum() + truth(name).sum()))
    return found


def plastimatch_masks(out: Path) -> dict[str, np.ndarray]:
    header, data = (out / "masks.mha").read_bytes().split(b"ElementDataFile = LOCAL\n", 1)
    size = [int(v) for v in header.decode().split("DimSize = ")[1].splitlines()[0].split()]
    voxels = np.frombuffer(data, dtype=np.uint8).reshape(*size[::-1], -1)
    masks = {}
    for line in (out / "masks.txt").read_text().splitlines():
        bit, _, name = line.split("|", 2)
        bit = int(bit)
        masks["".join(c for c in name.lower() if c.isalnum())] = (voxels[..., bit // 8] >> (bit % 8) & 1).astype(bool)
    return masks


def summary(exact: dict, times: dict, image_mb: float, mask_mb: float) -> dict:
    tools = {}
    for tool, runs in times.items():
        good = [run for run in runs if "failed" not in run]
        failed = exact[tool].get("failed") or (runs[0]["failed"] if runs and not good else None)
        tools[tool] = {"exactness": exact[tool], "failed": failed}
        for what in ("process_s", "work_s", "cpu_s", "work_cpu_s", "peak_mb"):
            values = [run[what] for run in good if what in run]
            tools[tool][what] = round(statistics.median(values), 3) if values else None
    exact = [tool for tool in PEERS if tool in tools and tools[tool]["work_cpu_s"] and not tools[tool]["failed"]]
    exact = [tool for tool in exact if tools[tool]["exactness"]["circle"] >= EXACT]
    ratios = {}
    for tool in exact:
        for what, told in (("work_cpu_s", "processor time of the work"), ("work_s", "time of the work"),
                           ("cpu_s", "processor time with imports"), ("process_s", "time with imports")):  # fmt: skip
            ratios[f"{tool} : ours, {told}"] = tools[tool][what] / tools["fedrt_written"][what]
    limit = 1.5 * image_mb + mask_mb
    return {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "tools": tools, "exact peers": exact, "ratios": {k: round(v, 2) for k, v in ratios.items()},
        "memory": {"image_mb": image_mb, "mask_mb": mask_mb, "limit_mb": limit, "ours_mb": tools["fedrt"]["peak_mb"]},
    }  # fmt: skip


def as_text(result: dict) -> str:
    lines = [
        result["machine"],
        "",
        "| tool | process s | work s | CPU s | work CPU s | peak MB | " + " | ".join(SHAPES) + " |",
    ]
    lines.append("|---|" + "---|" * (5 + len(SHAPES)))
    for tool, told in result["tools"].items():
        if told["failed"]:
            lines.append(f"| {tool} | failed: {told['failed']} |")
            continue
        figures = [told[what] for what in ("process_s", "work_s", "cpu_s", "work_cpu_s", "peak_mb")]
        dice = [told["exactness"].get(name, 0.0) for name in SHAPES]
        cells = ["-" if v is None else f"{v:.1f}" for v in figures] + [f"{v:.4f}" for v in dice]
        lines.append(f"| {tool} | " + " | ".join(cells) + " |")
    lines += ["", *(f"{what}: {value}" for what, value in result["ratios"].items())]
    memory = result["memory"]
    lines.append(
        f"peak memory beyond imports: {memory['ours_mb']:.0f} MB; 1.5 images and one mask: {memory['limit_mb']:.0f} MB"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
