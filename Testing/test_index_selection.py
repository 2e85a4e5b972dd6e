"""Which objects of an index a selection keeps; and what a person may type."""

import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.index.selection import Selection, choose, read_selection
from small_hospital import small_hospital


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    return small_hospital(tmp_path_factory.mktemp("hospital"))


@pytest.fixture(scope="module")
def index(hospital):
    return index_folders([one.folder for one in hospital.values()])


def chosen(index, **wanted) -> dict[str, set[str]]:
    part = index.select(Selection(**wanted))
    images = {uid for series in part.series.values() for uid in series.files}
    return {
        "images": images,
        "structure_sets": set(part.structure_sets),
        "plans": set(part.plans),
        "doses": set(part.doses),
    }


def expected(hospital, *names) -> dict[str, set[str]]:
    studies = [hospital[name] for name in names]
    return {
        "images": {uid for one in studies for uid in one.images},
        "structure_sets": {one.structure_set for one in studies} - {""},
        "plans": {one.plan for one in studies} - {""},
        "doses": {one.dose for one in studies} - {""},
    }


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, ("both", "old", "bladder", "german", "apart")),
        ({"patients": frozenset({"MRN-1"})}, ("both", "old")),
        ({"patients": frozenset({"MRN"})}, ()),
        ({"first_date": "20240101", "last_date": "20240301"}, ("both", "bladder")),
        ({"first_date": "20240501"}, ("apart",)),
        ({"modalities": frozenset({"MR"})}, ("german",)),
        ({"structures": ("Bladder", "Rectum")}, ("both", "german", "apart")),
        ({"structures": ("Bladder",), "modalities": frozenset({"CT"})}, ("both", "bladder", "apart")),
        ({"structures": ("Heart",)}, ()),
        ({"structures": ("Rectum",), "patients": frozenset({"MRN-1"})}, ("both",)),
    ],
)
def test_what_belongs_together_is_chosen_together(index, hospital, wanted, names):
    found = chosen(index, **wanted)
    if wanted == {"first_date": "20240501"}:
        found["images"] |= expected(hospital, "apart")["images"]
    assert found == expected(hospital, *names)


def test_rt_objects_alone(index, hospital):
    found = chosen(index, modalities=frozenset({"RTDOSE"}), structures=("Rectum",))
    assert found == {
        "images": set(),
        "structure_sets": set(),
        "plans": set(),
        "doses": expected(hospital, "both", "apart")["doses"],
    }


def test_an_object_without_a_date_is_in_no_range():
    assert Selection().wants_date("")
    assert not Selection(first_date="20200101").wants_date("")
    assert Selection(last_date="20200101").wants_date("2019.12.31")


def test_nothing_selected_is_everything(index):
    assert not Selection()
    assert choose(index, Selection()).series == set(index.series)


def test_what_a_person_types(tmp_path):
    path = tmp_path / "patients.csv"
    path.write_bytes('\ufeffMRN-1\r\n\r\n"00 12"\r\n'.encode())
    selection = read_selection(path, "2024-01-31", "1.2.2024", "ct, mr", "Rectum, harnblase")
    assert selection.patients == {"MRN-1", "00 12"}
    assert (selection.first_date, selection.last_date) == ("20240131", "20240201")
    assert selection.modalities == {"CT", "MR"}
    assert selection.structures == ("Rectum", "Bladder")
    assert "MRN" not in repr(selection)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"first": "yesterday"}, "--from yesterday is no date"),
        ({"first": "2024-02-01", "last": "2024-01-01"}, "later than --to"),
        ({"structures": "qwxyz"}, "no TG-263 name"),
        ({"patients": "/no/list.txt"}, "cannot be read"),
    ],
)
def test_what_makes_no_sense(typed, said):
    with pytest.raises(FedRTError, match=said):
        read_selection(**typed)


@pytest.mark.parametrize(("text", "said"), [("", "is empty"), ("MRN*\n", "no Patient ID"), ("A\\B\n", "no Patient ID")])
def test_a_patient_list_that_would_match_more_than_it_says(tmp_path, text, said):
    (tmp_path / "list").write_text(text)
    with pytest.raises(FedRTError, match=said) as caught:
        read_selection(tmp_path / "list")
    assert "MRN" not in str(caught.value)
