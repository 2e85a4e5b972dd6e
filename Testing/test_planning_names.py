"""ROI names and interpreted types as planning systems take them."""

import string

import numpy as np
import pytest
from FedRTDatasetLib.naming.planning_names import (
    interpreted_type,
    long_name,
    planning_names,
    shortened,
)


def test_names_that_fit_stay():
    names = ["Bladder", "Femur_Head_L", "Exactly_16_chars"]
    assert planning_names(names) == names


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Glnd_Submandibular_L", "Glnd_Submndblr_L"),
        ("Femoral_Head_Neck_Right", "Fmrl_Hd_Nc_Right"),
        ("Musc_Constrict_Superior", "Msc_Cnstrct_Sprr"),
        ("BrachialPlexusXXXXXXXX_R", "BrchlPlxsXXXXX_R"),
        ("A name\nwith\\controls", "A nme wth cntrls"),
    ],
)
def test_long_names_lose_vowels_then_their_end_never_their_side(name, short):
    assert shortened(name) == short


def test_sides_are_never_confused_and_nothing_collides():
    """Names of all lengths, many alike but for their end or for upper and lower case."""
    random = np.random.default_rng(0)
    stems = [
        "".join(random.choice(list(string.ascii_letters[:12] + "_ "), size)) for size in random.integers(1, 40, 150)
    ]
    names = (
        [stem + side for stem in stems for side in ("", "_L", "_R", "_l")] + ["Bladder"] * 30 + ["bladder", "", "  "]
    )
    short = planning_names(names)
    assert len(short) == len(names)
    assert len({name.casefold() for name in short}) == len(names)
    assert all(0 < len(name) <= 16 for name in short)
    for name, result in zip(names, short, strict=True):
        if len(name.strip()) > 16 and name.endswith(("_L", "_R")):
            assert result.endswith(name[-2:])
    assert planning_names(names) == short


def test_the_first_of_equal_names_stays_and_short_ones_keep_theirs():
    assert planning_names(["Bladder", "Bladder", "BLADDER"]) == ["Bladder", "Bladder_2", "BLADDER_3"]
    long, other = "Exactly_16_chars_and_more", shortened("Exactly_16_chars_and_more")
    assert planning_names([long, other])[1] == other
    assert planning_names(["Lung_L", "Lung_L"]) == ["Lung_L", "Lung_2_L"]


def test_the_long_name_comes_back_from_the_description_but_no_other_text():
    names = ["Glnd_Submandibular_L", "Glnd_Submandibular_L", "Bladder", "Bladder"]
    for name, short in zip(names, planning_names(names), strict=True):
        assert long_name(short, f"{name}; FedRT model abc") == name
    assert long_name("Bladder", "drawn on the MR") == "Bladder"
    assert long_name("Bladder", "") == "Bladder"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Bladder", "ORGAN"), ("Femur_Head_L", "ORGAN"), ("GTVp", "GTV"), ("GTVn_1", "GTV"), ("CTV_5000", "CTV"),
        ("ITV", "CTV"), ("PTV", "PTV"), ("PTV-Bladder", "CONTROL"), ("PTV!", "CONTROL"), ("External", "EXTERNAL"),
        ("Body", "EXTERNAL"), ("SpinalCord_PRV05", "AVOIDANCE"), ("Bolus_1cm", "BOLUS"), ("CouchSurface", "SUPPORT"),
        ("Dose 5000[cGy]", "DOSE_REGION"), ("z_ring", "CONTROL"), ("something else", ""),
    ],
)  # fmt: skip
def test_interpreted_type_by_name(name, kind):
    assert interpreted_type(name) == kind
