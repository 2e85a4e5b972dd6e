"""One public de-identification tool over a folder: `python peers.py TOOL IN OUT`, in an environment that has the tool.

Each in its own strictest documented setting; files that a tool cannot process are counted, as its user would lose them.
Prints one JSON object: seconds without the imports, files written, files failed.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import pydicom

warnings.simplefilter("ignore")


def dicognito_each():
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer(seed="benchmark")

    def one(source: Path, target: Path) -> None:
        dataset = pydicom.dcmread(source, force=True)
        anonymizer.anonymize(dataset)
        dataset.save_as(target)

    return one


def dicom_anonymizer_each():
    from dicomanonymizer import simpledicomanonymizer as tool

    rules = tool.initialize_actions("dicomfields_2026c")

    def one(source: Path, target: Path) -> None:
        dataset = pydicom.dcmread(source, force=True)
        tool.anonymize_dataset(dataset, base_rules_gen=lambda: rules, delete_private_tags=True)
        dataset.save_as(target)

    return one


def deid_each():
    from deid.config import DeidRecipe
    from deid.dicom import get_identifiers, replace_identifiers

    recipe = DeidRecipe()

    def one(source: Path, target: Path) -> None:
        found = get_identifiers([str(source)], expand_sequences=True)
        (dataset,) = replace_identifiers([str(source)], ids=found, deid=recipe, save=False, remove_private=True)
        dataset.save_as(target)

    return one


TOOLS = {"dicognito": dicognito_each, "dicom-anonymizer": dicom_anonymizer_each, "deid": deid_each}


def main() -> None:
    tool, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    one, failed = TOOLS[tool](), 0
    paths = sorted(source.rglob("*.dcm"))
    started = time.perf_counter()
    for number, path in enumerate(paths):
        try:
            one(path, out / f"{number:05d}.dcm")
        except Exception:
            failed += 1
    print(json.dumps({"seconds": time.perf_counter() - started, "written": len(paths) - failed, "failed": failed}))


if __name__ == "__main__":
    main()
