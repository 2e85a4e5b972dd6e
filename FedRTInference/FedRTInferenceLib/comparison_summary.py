"""The figures of a comparison: mean Dice over structures and over the unseen patients of all hospitals."""

import json
from pathlib import Path

Dice = dict[str, dict[str, list[float]]]
"""Hospital -> structure -> Dice of each unseen patient that is contoured for it."""


def summarise(out: Path, hospitals: list[str], structures: tuple[str, ...]) -> dict:
    """The content of `summary.json`.

    `dice` counts a structure that a model was never taught as 0, because the clinic needs it all the same;
    `dice_of_taught_structures` leaves it out. `by_structure` and `by_hospital` go into detail, None where there is nothing.
    """
    models = {f"local {hospital}": f"local_{hospital}" for hospital in hospitals}
    models |= {"federated": "federated", "pooled": "pooled"}
    found = {label: read_dice(out / "evaluation" / f"{name}.json", hospitals) for label, name in models.items()}
    cases = found["pooled"]  # the pooled model knows every structure, so it tells which patients count for which
    by_structure = {
        label: {name: _mean(_padded(dice, cases, hospitals, name)) for name in structures}
        for label, dice in found.items()
    }
    by_hospital = {
        label: {h: _mean([_mean(_padded(dice, cases, [h], name)) for name in cases[h]]) for h in hospitals}
        for label, dice in found.items()
    }
    overall = {label: _mean(list(values.values())) for label, values in by_structure.items()}
    taught = {
        label: _mean([by_structure[label][name] for name in structures if any(name in dice[h] for h in hospitals)])
        for label, dice in found.items()
    }
    return {
        "dice": _nested(overall, hospitals),
        "dice_of_taught_structures": _nested(taught, hospitals),
        "by_structure": by_structure,
        "by_hospital": by_hospital,
        "unseen_patients": {h: max((len(values) for values in cases[h].values()), default=0) for h in hospitals},
        "outputs": {
            "rtstruct": _files(out, "RTSTRUCT.dcm"),
            "segmentation": _files(out, "structures.seg.nrrd"),
        },
        "seconds": {
            path.stem: record["seconds"]
            for path in sorted((out / "steps").glob("*.json"))
            if "seconds" in (record := json.loads(path.read_text(encoding="utf-8")))
        },
    }


def read_dice(path: Path, hospitals: list[str]) -> Dice:
    """Dice by hospital and structure from an evaluation file (datasets are named after their hospital)."""
    evaluation = json.loads(path.read_text(encoding="utf-8"))
    found: Dice = {hospital: {} for hospital in hospitals}
    for dataset in evaluation["datasets"]:
        for case in dataset["cases"].values():
            for name, result in case.items():
                if result["dice"] is not None:
                    found[dataset["dataset"]].setdefault(name, []).append(result["dice"])
    return found


def _padded(dice: Dice, cases: Dice, hospitals: list[str], name: str) -> list[float]:
    """Dice of a structure in every patient contoured for it: 0 where the model does not know the structure."""
    values = []
    for hospital in hospitals:
        wanted = len(cases[hospital].get(name, []))
        own = dice[hospital].get(name, [])
        values += own + [0.0] * (wanted - len(own))
    return values


def _mean(values: list) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None


def _nested(values: dict[str, float | None], hospitals: list[str]) -> dict:
    local = {hospital: values[f"local {hospital}"] for hospital in hospitals}
    return {"local": local, "federated": values["federated"], "pooled": values["pooled"]}


def _files(out: Path, name: str) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in (out / "contours").glob(f"*/*/{name}"))
