"""De-identification beside public tools: what is left of planted identities, which references break, how long it takes.

    python Testing/benchmarks/deidentification/run.py --peers /tmp/peers/bin/python

`--peers`: the Python of an environment with `pip install dicognito dicom-anonymizer deid`. The same files go through each
tool in the same run: two planted patients (`Testing/planted.py`: CT, RTSTRUCT, RTPLAN, RTDOSE, REG, SEG, six odd encodings)
and, for the time, a CT series of 100 slices of 512 x 512.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[2]))

from dicom_maker import make_series  # noqa: E402
from FedRTDatasetLib.deidentification.folders import copies_in  # noqa: E402
from FedRTDatasetLib.deidentification.run import deidentify  # noqa: E402
from FedRTDatasetLib.pseudonym import SiteKey  # noqa: E402
from planted import Planted, left_over, plant  # noqa: E402
from pydicom import dcmread  # noqa: E402

TOOLS = ("dicognito", "dicom-anonymizer", "deid")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, required=True, help="Python of the environment with the other tools")
    parser.add_argument("--repeats", type=int, default=3, help="time: the median of this many runs")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), args.peers, args.repeats)


def compare(folder: Path, peers: Path, repeats: int) -> None:
    planted = plant(folder / "planted")
    make_series(folder / "ct", slices=100, rows=512, columns=512)
    originals = sorted(planted.folder.rglob("*.dcm"))
    print(f"{platform.machine()}, Python {platform.python_version()}; {len(originals)} planted files")
    print(f"{len(planted.values)} values, {len(planted.uids)} UIDs, {resolved(originals)} references")
    rows, base = [], None
    for tool in ("FedRT", *TOOLS):
        out = folder / f"out {tool}"
        first = use(tool, peers, planted.folder, out)
        times = sorted(use(tool, peers, folder / "ct", folder / f"time {tool} {n}")["seconds"] for n in range(repeats))
        seconds = times[len(times) // 2]
        base = base or seconds
        rows.append((tool, first, *left(planted, out), resolved(originals) - resolved(copies_in(out)), seconds / base))
    print("| tool | files written | planted values left | original UIDs left | references broken | time |")
    print("|---|---|---|---|---|---|")
    for tool, first, values, uids, broken, ratio in rows:
        files = f"{first['written']} of {len(originals)}"
        counts = f"{values} of {len(planted.values)} | {uids} of {len(planted.uids)}"
        print(f"| {tool} | {files} | {counts} | {broken} | {ratio:.2f} |")


def use(tool: str, peers: Path, source: Path, out: Path) -> dict:
    """Run a tool; seconds without the imports."""
    if tool != "FedRT":
        out.mkdir()
        result = subprocess.run(
            [str(peers), str(HERE.with_name("peers.py")), tool, str(source), str(out)],
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(result.stdout.splitlines()[-1])
    started = time.perf_counter()
    outcome = deidentify(source, out, SiteKey(b"k" * 32), jobs=1)
    written = sum(row.status == "written" for row in outcome.rows)
    return {"seconds": time.perf_counter() - started, "written": written, "failed": len(outcome.rows) - written}


def left(planted: Planted, out: Path) -> tuple[int, int]:
    """How many of the planted values and of the originals' UIDs are still in some file."""
    found = {line.split(": ", 1)[1] for line in left_over(planted, out)}
    uids = {what for what in found if what.startswith("UID ")}
    return len(found - uids), len(uids)


def resolved(paths) -> int:
    """References to instances that are there."""
    datasets = [dcmread(path, force=True) for path in paths]
    there = {str(dataset.SOPInstanceUID) for dataset in datasets if "SOPInstanceUID" in dataset}
    references = [str(e.value) for d in datasets for e in d.iterall() if e.keyword == "ReferencedSOPInstanceUID"]
    return sum(reference in there for reference in references)


if __name__ == "__main__":
    main()
