"""Which patients train, validate and test: by patient, steady when the dataset grows."""

from collections.abc import Iterable

from ..storage.records import Split


def assign_splits(
    patients: list[str],
    fractions: dict[Split, float],
    existing: dict[str, Split] | None = None,
    together: Iterable[list[str]] = (),
) -> dict[str, Split]:
    """The split of every patient.

    Patients that have one keep it. New ones are taken in the order of their pseudonyms (random, being keyed hashes) and go
    each to the split that is furthest below its share. Patients of one group of `together` (the same images under several
    identifiers) go where the first of them is.
    """
    assigned = dict(existing or {})
    group_of = {patient: sorted(group) for group in together for patient in group}
    total = sum(fractions.values())
    for patient in sorted(set(patients) - set(assigned)):
        placed = next((assigned[other] for other in group_of.get(patient, ()) if other in assigned), None)
        if placed is not None:
            assigned[patient] = placed
            continue
        expected = len(assigned) + 1
        counts = {split: sum(s == split for s in assigned.values()) for split in fractions}
        shortfall = {split: fractions[split] / total * expected - counts[split] for split in fractions}
        assigned[patient] = max(shortfall, key=lambda split: (round(shortfall[split], 9), fractions[split]))
    return assigned
