"""ROI names to TG-263: the rules on a long list, and the reviewable map as a file."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.names import COLUMNS, CONFIDENT, NameMap, propose
from FedRTDatasetLib.phantom_hospitals import HOSPITALS
from FedRTDatasetLib.structures import shipped_structures, table_rows
from roi_names import expected

TG263 = Path(os.environ.get("FEDRT_TEST_DATA", "")) / "nomenclature" / "tg263.csv"


def side_of(tg263: str | None) -> str | None:
    return tg263[-1] if tg263 and tg263[-2:] in ("_L", "_R") else None


@pytest.mark.parametrize(("roi_name", "meaning"), expected().items())
def test_what_a_name_means(roi_name, meaning):
    assert NameMap().lookup(roi_name) == meaning, propose(roi_name)


def test_never_a_side_that_is_not_told():
    """Whatever is proposed, also below the confidence that uses it: exchanging the side words exchanges the side."""
    for roi_name, meaning in expected().items():
        proposal = propose(roi_name)
        if proposal.is_helper:
            continue
        proposed = side_of(proposal.tg263)
        assert proposed == side_of(meaning), roi_name


@pytest.mark.parametrize("row", [row for row in table_rows() if row["laterality"].endswith(("|Left", "|Right"))],
                         ids=lambda row: row["name"])  # fmt: skip
def test_every_synonym_with_every_side_word(row):
    words = {
        "Left": {"en": "left lt L", "es": "izquierda izq", "de": "links li", "fr": "gauche G", "it": "sinistra sx",
                 "nl": "links", "pl": "lewa"},
        "Right": {"en": "right rt R", "es": "derecha dcha", "de": "rechts re", "fr": "droite D", "it": "destra dx",
                  "nl": "rechts", "pl": "prawa"},
    }  # fmt: skip
    side = row["laterality"].partition("|")[2]
    for language, sides in words[side].items():
        for synonym in filter(None, row[f"synonyms_{language}"].split(";")):
            for word in sides.split():
                for name in (f"{synonym} {word}", f"{word}_{synonym}".upper()):
                    assert propose(name).tg263 == row["name"], name
            assert propose(synonym).tg263 is None or side_of(propose(synonym).tg263) is None, synonym


@pytest.mark.parametrize("hospital", HOSPITALS, ids=lambda hospital: hospital.key)
def test_phantom_hospitals_names(hospital):
    names = NameMap()
    for meaning, rois in hospital.habits.rois.items():
        for roi in rois:
            assert names.lookup(roi) == meaning
    for roi in hospital.habits.helper_names.values():
        assert names.lookup(roi) in (None, "Body", "External", "CTV", "PTV")
        assert not names.is_undecided(roi), roi


def test_suggestions_wait_for_approval():
    for roi_name, suggestion in {"Bladcer": "Bladder", "Rectm": None, "Prostste": "Prostate", "Kidnay_L": "Kidney_L",
                                 "Bladder_1": "Bladder", "GTV-1": "GTV"}.items():  # fmt: skip
        proposal = propose(roi_name)
        assert proposal.tg263 == suggestion, roi_name
        assert proposal.confidence < CONFIDENT
        assert NameMap().lookup(roi_name) is None


def test_undecided_are_the_names_somebody_has_to_settle():
    names = NameMap()
    assert all(names.is_undecided(name) for name in ("Kidney", "ROI-1", "Bladcer", "Left Kidney R", "GTV_Edema"))
    assert not any(names.is_undecided(name) for name in ("Rectum", "z_ring", "Bladder-PTV", "Couch", "PTV_6000"))


# --- the table -----------------------------------------------------------------------------------------------------------


def test_table_is_consistent():
    rows = table_rows()
    assert len({row["name"] for row in rows}) == len(rows) >= 90
    for row in rows:
        shipped = shipped_structures()[row["name"]]
        assert len(row["name"]) <= 16
        assert all(0 <= value <= 255 for value in shipped.color)
        assert row["category"] in {"organ", "bone", "muscle", "vessel", "target", "external"}
        side = side_of(row["name"])
        assert (side is not None) == row["laterality"].endswith(("|Left", "|Right")), row["name"]
        assert side is None or shipped.laterality == {"L": ("7771000", "Left"), "R": ("24028007", "Right")}[side]


@pytest.mark.skipif(not TG263.exists(), reason="FEDRT_TEST_DATA has no TG-263 list")
def test_table_holds_tg263_names():
    with open(TG263, encoding="utf-8-sig", newline="") as file:
        official = {row["TG263-Primary Name"].strip() for row in csv.DictReader(file)}
    # The list gives target types once; p (primary) and n (nodal) are TG-263's own classifiers to them.
    targets = {base + suffix for base in ("GTV", "CTV", "PTV") for suffix in "pn"}
    assert {row["name"] for row in table_rows()} <= official | targets


# --- the map as a file -----------------------------------------------------------------------------------------------------


def test_map_comes_back_as_it_was_written(tmp_path):
    names = NameMap()
    names.merge(Counter({"Vejiga": 3, "Próstata": 2, "=cmd|' /C calc'!A0": 1, "+49": 1, "-PTV": 1, "@x": 1, "'quoted'": 1,
                         "'=x": 1, 'with, comma and "quote"': 1, "line\nbreak": 1, "Kidney": 4}))  # fmt: skip
    names.save(tmp_path / "map.csv")
    assert NameMap.load(tmp_path / "map.csv").entries == names.entries


def test_no_cell_is_a_formula(tmp_path):
    names = NameMap()
    names.merge({name: 1 for name in ('=HYPERLINK("x")', "+1", "-1", "@SUM(A1)", "\tx=1", "＝1")})
    names.save(tmp_path / "map.csv")
    with open(tmp_path / "map.csv", encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row if cell]
    assert len(cells) > 20
    assert not [cell for cell in cells if cell[0] in "=+-@\t\r＝"]


def test_reviewers_decisions_are_kept(tmp_path):
    names = NameMap()
    names.merge({"Niere": 2, "Rectum": 5, "z_ring": 1})
    names.save(tmp_path / "map.csv")
    text = (tmp_path / "map.csv").read_text(encoding="utf-8-sig")
    edited = [line.replace("Niere,,", "Niere,Kidney_L,").replace("proposed", "approved") if line.startswith("Niere")
              else line.replace("proposed", "ignored") if line.startswith("Rectum") else line
              for line in text.split("\n")]  # fmt: skip
    (tmp_path / "map.csv").write_text("\n".join(edited), encoding="utf-8")

    reviewed = NameMap.load(tmp_path / "map.csv")
    reviewed.merge({"Niere": 7, "Rectum": 5, "Blase": 3})
    reviewed.save(tmp_path / "map.csv")
    again = NameMap.load(tmp_path / "map.csv")
    assert again.lookup("Niere") == "Kidney_L"
    assert again.lookup("Rectum") is None
    assert not again.is_undecided("Rectum")
    assert again.lookup("Blase") == "Bladder"
    assert again.entries["Niere"].count == 7
    assert again.entries["z_ring"].status == "proposed"


def test_what_a_german_spreadsheet_saves_is_read(tmp_path):
    rows = [
        "roi_name;tg263_name;confidence;rule;count;status",
        "Hüftkopf li;Femur_Head_L;0,95;synonym;4;approved",
        ";;;;;",
    ]
    (tmp_path / "map.csv").write_bytes("\r\n".join(rows).encode("cp1252"))
    assert NameMap.load(tmp_path / "map.csv").lookup("Hüftkopf li") == "Femur_Head_L"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Niere,Kidney L,0.5,x,1,approved", "line 3, column tg263_name"),
        ("Niere,,0.5,x,1,approved", "line 3, column tg263_name: empty although approved"),
        ("Niere,Kidney_L,0.5,x,1,ok", "line 3, column status: 'ok'"),
        ("Niere,Kidney_L,high,x,1,approved", "line 3, column confidence: 'high' is not a number"),
        ("Niere,Kidney_L,7,x,1,approved", "line 3, column confidence: 7 is not between"),
        ("Niere,Kidney_L,0.5,x,many,approved", "line 3, column count"),
        ("Rectum,Rectum,1,x,1,approved", "line 3, column roi_name: the name stands there twice"),
        (",Rectum,1,x,1,approved", "line 3, column roi_name: empty"),
        ("Niere, links,Kidney_L,1,x,1,approved,", "line 3: more cells than columns"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path, line, says):
    path = tmp_path / "map.csv"
    path.write_text("\n".join([",".join(COLUMNS), "Rectum,Rectum,1,x,1,approved", line]), encoding="utf-8")
    with pytest.raises(FedRTError) as error:
        NameMap.load(path)
    assert says in str(error.value)
    assert "map.csv" in str(error.value)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FedRTError, match="does not exist"):
        NameMap.load(tmp_path / "absent.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(FedRTError, match="no column roi_name"):
        NameMap.load(tmp_path / "other.csv")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(FedRTError, match="no column roi_name"):
        NameMap.load(tmp_path / "empty.csv")
