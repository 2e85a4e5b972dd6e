"""Which patients train, validate and test: by patient, steady when the dataset grows."""

from .dataset import Split


def assign_splits(
    patients: list[str], fractions: dict[Split, float], existing: dict[str, Split] | None = None
) -> dict[str, Split]:
    """The split of every patient.

    Patients that have one keep it. New ones are taken in the order of their pseudonyms (random, being keyed hashes) and go
    each to the split that is furthest below its share.
    """
    assigned = dict(existing or {})
    total = sum(fractions.values())
    for patient in sorted(set(patients) - set(assigned)):
        expected = len(assigned) + 1
        counts = {split: sum(s == split for s in assigned.values()) for split in fractions}
        shortfall = {split: fractions[split] / total * expected - counts[split] for split in fractions}
        assigned[patient] = max(shortfall, key=lambda split: (round(shortfall[split], 9), fractions[split]))
    return assigned
