"""Overlapping structures as one label map."""

import numpy as np
import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.storage.label_map import LabelTable, count_combinations

NAMES = ("Body", "Bladder", "PTV")
ALL = np.array([True, True, True])


def masks_of(*cells):
    """One row of voxels; each cell lists the structures there."""
    return np.array([[[[name in cell for cell in cells]]] for name in NAMES], dtype=np.uint8)


CASE = masks_of((), ("Body",), ("Body",), ("Body", "Bladder"), ("Body", "Bladder", "PTV"), ("Bladder",))


def test_every_overlap_can_be_told_from_the_labels():
    table = LabelTable.of(NAMES, count_combinations(CASE), ignore=False)
    encoded = table.encode(CASE, ALL)
    assert table.has_overlaps
    assert encoded[encoded > 0].min() == 1
    for s in range(3):
        assert np.array_equal(np.isin(encoded, table.labels_of(s)), CASE[s].astype(bool))


def test_without_overlaps_the_labels_are_the_structures():
    case = masks_of((), ("Body",), ("Bladder",), ())
    table = LabelTable.of(NAMES, count_combinations(case), ignore=False)
    assert not table.has_overlaps
    assert table.encode(case, ALL).ravel().tolist() == [0, 1, 2, 0]


def test_voxels_where_a_structure_might_be_that_was_not_contoured_are_ignored():
    """PTV was seen within Bladder within Body: where there is either, or neither, it may be."""
    table = LabelTable.of(NAMES, count_combinations(CASE), ignore=True)
    encoded = table.encode(CASE * np.array([1, 1, 0], np.uint8)[:, None, None, None], ALL & [True, True, False]).ravel()
    assert encoded.tolist() == [table.ignore_label] * 6
    apart = masks_of((), ("Body",), ("Bladder",), ("PTV", "Body"))
    table = LabelTable.of(NAMES, count_combinations(apart), ignore=True)
    encoded = table.encode(
        apart * np.array([1, 1, 0], np.uint8)[:, None, None, None], ALL & [True, True, False]
    ).ravel()
    assert encoded.tolist() == [table.ignore_label, table.ignore_label, 2, table.ignore_label]
    assert table.encode(apart, ALL).ravel().tolist() == [0, 1, 2, 4]
    assert table.ignore_label == 5


def test_borders_that_touch_are_no_overlap():
    case = masks_of((), *[("Bladder",)] * 500, ("Bladder", "PTV"), ("PTV",))
    table = LabelTable.of(NAMES, count_combinations(case), ignore=True)
    encoded = table.encode(case * np.array([1, 1, 0], np.uint8)[:, None, None, None], ALL & [True, True, False])
    assert (encoded.ravel()[1:501] == 2).all()
    assert encoded.ravel()[0] == table.ignore_label


def test_random_structures_of_many_combinations():
    masks = (np.random.default_rng(0).random((9, 12, 13, 14)) < 0.4).astype(np.uint8)
    table = LabelTable.of([f"s{n}" for n in range(9)], count_combinations(masks), ignore=False)
    encoded = table.encode(masks, np.ones(9, bool))
    assert encoded.dtype == np.uint16
    for s in range(9):
        assert np.array_equal(np.isin(encoded, table.labels_of(s)), masks[s].astype(bool))
        assert table.volume_of(s) == masks[s].sum()


def test_too_many_structures():
    with pytest.raises(FedRTError, match="64 structures are too many"):
        LabelTable.of([str(n) for n in range(64)], count_combinations(np.zeros((1, 1, 1, 1), np.uint8)), ignore=False)
