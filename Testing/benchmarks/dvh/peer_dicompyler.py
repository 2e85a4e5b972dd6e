"""DVHs by dicompyler-core, in a Python that has it: `python peer_dicompyler.py JOBS.json RESULTS.json`.

A job is {"rtstruct", "rtdose", "settings": {...}}; a result a ROI is its volume (cm3), mean (Gy), cumulative curve and the
processor seconds that reading (shared among the ROIs) and computing took.
"""

import json
import sys
import time

import numpy as np
import pydicom.uid  # noqa: F401
from dicompylercore import dicomparser, dvhcalc


def main() -> None:
    results = []
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    for job in jobs:
        start = time.process_time()
        structures = dicomparser.DicomParser(job["rtstruct"]).GetStructures()
        reading = (time.process_time() - start) / max(len(structures), 1)
        rois = {}
        for number, structure in structures.items():
            start = time.process_time()
            try:
                dvh = dvhcalc.get_dvh(job["rtstruct"], job["rtdose"], number, **job["settings"])
                cumulative = dvh.cumulative.relative_volume
                rois[structure["name"]] = {
                    "volume_cm3": float(dvh.volume),
                    "mean": float(dvh.mean),
                    "gray": [float(v) for v in np.asarray(cumulative.bins[:-1])],
                    "percent": [float(v) for v in np.asarray(cumulative.counts)],
                }
            except Exception as error:
                rois[structure["name"]] = {"error": f"{type(error).__name__}: {error}"}
            rois[structure["name"]]["seconds"] = time.process_time() - start + reading
        results.append(rois)
    with open(sys.argv[2], "w") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main()
