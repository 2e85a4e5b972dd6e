"""The lists of ROI names with their truth that `name_score` counts on.

`roi_names.py`: the names that the rules were made on.
`names/worked_on.csv`: realistic names in eight languages, written before the rules met them (96.9% and 96.2% right at that
meeting), then used to better the rules.
`names/held_out.csv`: the last such list; 96.9% right and no wrong side at the first meeting, after which the words `TC`,
`Hilfsring` and `Hilfe` and the sign `_` in front were put right and the truth of `Kidney_R_3` was corrected.
`name_variants.py`: spellings of all 717 names by rule, of which one half nobody looks at.
`REAL`: the names in the public test data (`FEDRT_TEST_DATA`).
"""

import csv
from pathlib import Path

from name_variants import all_variants
from roi_names import expected

REAL = {
    "BODY": "Body", "Bladder": "Bladder", "Femoral Head Lt": "Femur_Head_L", "Femoral Head RT": "Femur_Head_R", "PTV": "PTV",
    "Rectum": "Rectum", "Heart": "Heart", "Lt Lung": "Lung_L", "Tumor Bed": "TumorBed", "Scar": "Scar", "External": "External",
    "GTV_Mass": "GTVp", "GTV_Mass_CT": "GTVp", "GTV_Mass_MR_T1": "GTVp", "GTV_Edema": "undecided", "GTV-1": "undecided",
    "Breast": "undecided", "Nodes": "undecided", "Areola": "undecided", "Borders": "undecided", "Tumor Bed Block": "helper",
    "ISO": "helper", "REF": "helper", "Big": "undecided", "BigH_SmallV": "undecided", "BigV_SmallH": "undecided",
    "Circle": "undecided", "Small": "undecided", "Star": "undecided", "ROI-1": "undecided", "ROI-2": "undecided",
    "ROI-3": "undecided", "ROI-4": "undecided", "Dose 5200[cGy]": "helper", "Dose 5700[cGy]": "helper",
}  # fmt: skip
"""Every ROI name of the real structure sets in the test data (see its README) and what it means."""

Named = tuple[str, str, str]


def _csv(name: str) -> list[Named]:
    with open(Path(__file__).parent / "names" / f"{name}.csv", encoding="utf-8", newline="") as file:
        return [(row["roi_name"], row["truth"], name) for row in csv.DictReader(file)]


def lists() -> dict[str, list[Named]]:
    """Name of the list -> (ROI name, truth, kind). Truth: a TG-263 name, `helper` or `undecided`."""
    made_on = [(roi, truth or "undecided", "made on") for roi, truth in expected().items()]
    return {
        "real structure sets": [(roi, truth, "real") for roi, truth in REAL.items()],
        "made on": made_on,
        "worked on": _csv("worked_on"),
        "variants of TG-263, worked on": all_variants(held_out=False),
        "held out": _csv("held_out"),
        "variants of TG-263, held out": all_variants(held_out=True),
    }


HELD_OUT = ("held out", "variants of TG-263, held out")
