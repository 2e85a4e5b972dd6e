"""The profile's table and what follows from it: actions, UIDs, dates, ages, words."""

import datetime
import re

import pytest
from FedRTDatasetLib.deidentification import (
    dates,
    profile,
    settings,
    uids,
    values,
)
from FedRTDatasetLib.deidentification.descriptors import Descriptors, unique, vocabulary
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.pseudonym import SiteKey
from pydicom.uid import UID, CTImageStorage, RTPlanStorage, RTStructureSetStorage

KEY = SiteKey(b"k" * 32)
CT, PLAN, STRUCTURES = str(CTImageStorage), str(RTPlanStorage), str(RTStructureSetStorage)


def test_the_table_is_whole():
    """PS3.15 2026c: 652 attributes, three repeating groups, the private attributes."""
    rows = profile.rows()
    assert len(rows) == 656 and sum(re.fullmatch("[0-9A-F]{8}", tag) is not None for tag in rows) == 652
    assert {"50XXXXXX", "60XX3000", "60XX4000", "ODDXXXX"} <= set(rows)
    allowed = {"D", "Z", "X", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"}
    assert {row.basic for row in rows.values()} == allowed
    assert {action for row in rows.values() for action in row.options.values()} == {"K", "C"}
    columns = {column for row in rows.values() for column in row.options}
    assert {option[0] for option in profile.OPTIONS.values()} < columns
    for row in rows.values():  # in the Standard the two columns of dates go together
        assert ("full_dates" in row.options) == ("modified_dates" in row.options)


@pytest.mark.parametrize(
    ("tag", "basic", "options"),
    [
        (0x00100010, "Z", {}),
        (0x00100020, "Z/D", {}),
        (0x00100040, "Z", {"patient_characteristics": "K"}),
        (0x00101010, "X", {"patient_characteristics": "K"}),
        (0x00080020, "Z", {"full_dates": "K", "modified_dates": "C"}),
        (0x0008103E, "X", {"clean_descriptors": "C"}),
        (0x00080080, "X/Z/D", {"institution": "K"}),
        (0x00181000, "X/Z/D", {"device": "K"}),
        (0x00400241, "X", {"device": "C"}),
        (0x0020000D, "U", {"uids": "K"}),
        (0x00081140, "X/Z/U*", {"uids": "K"}),
        (0x30060026, "Z", {"clean_descriptors": "C"}),
        (0x300A0002, "D", {"clean_descriptors": "C"}),
        (0x300A00B2, "X/Z", {"device": "K"}),
        (0x00700001, "D", {"clean_graphics": "C"}),
    ],
)
def test_rows_as_the_standard_prints_them(tag, basic, options):
    row = profile.row_of(tag)
    assert (row.basic, row.options) == (basic, options)


@pytest.mark.parametrize(
    ("tag", "sop_class", "nested", "action"),
    [
        (0x00080022, CT, False, "X"),  # Acquisition Date X/Z: type 3 in CT
        (0x00081070, STRUCTURES, False, "Z"),  # Operators' Name X/Z/D: type 2 in RT objects
        (0x00081070, CT, False, "X"),
        (0x300A0006, PLAN, False, "D"),  # RT Plan Date X/D: type 2, and the row offers no Z
        (0x300A00B2, PLAN, True, "Z"),  # Treatment Machine Name X/Z inside Beam Sequence
        (0x00080080, CT, True, "D"),
        (0x00080080, "1.2.3", False, "D"),  # unknown object: what leaves it valid
        (0x00081140, CT, False, "U"),
        (0x00100020, CT, False, "Z"),
    ],
)
def test_a_choice_is_decided_by_the_attributes_type(tag, sop_class, nested, action):
    assert profile.basic_action(tag, sop_class, nested) == action


def test_new_uids():
    originals = [f"1.2.840.113619.2.55.{number}" for number in range(2000)]
    new = {uids.new_uid(uid, KEY) for uid in originals}
    assert len(new) == 2000
    for uid in new:
        assert UID(uid).is_valid and len(uid) <= 64 and uid.startswith("2.25.")
        number = int(uid[5:])
        assert number >> 76 & 0xF == 8 and number >> 62 & 3 == 2
    assert uids.new_uid(originals[0] + "\0", KEY) == uids.new_uid(originals[0], SiteKey(b"k" * 32))
    assert uids.new_uid(originals[0], SiteKey(b"x" * 32)) not in new
    assert uids.new_uid(CT, KEY) == CT and uids.new_uid("", KEY) == ""
    assert uids.new_uid("1.2.840.10008.9.9.9.471100", KEY).startswith("2.25.")  # borrowed root, no UID of the Standard


def test_a_patients_dates_move_together_by_whole_weeks():
    shifts = {dates.shift_days(f"patient {n}", KEY) for n in range(500)}
    assert len(shifts) > 250 and all(day % 7 == 0 and -7 * 520 <= day <= -7 * 4 for day in shifts)
    assert (
        dates.shift_days("a", KEY)
        == dates.shift_days("a", SiteKey(b"k" * 32))
        != dates.shift_days("a", SiteKey(b"x" * 32))
    )


@pytest.mark.parametrize(
    ("text", "vr", "moved"),
    [
        ("20240301", "DA", "20240223"),
        ("2024.03.01", "DA", "20240223"),
        ("20240301101530.25+0100", "DT", "20240223101530.25+0100"),
        ("20240301", "DT", "20240223"),
        ("202403", "DT", "202403"),
        ("2024", "DT", "2024"),
        ("101530.5", "TM", "101530.5"),
        ("1015", "TM", "1015"),
        ("20240230", "DA", ""),
        ("unknown", "DA", ""),
        ("Mueller", "DT", ""),
        ("Mueller", "TM", ""),
        ("00010101", "DA", ""),
        ("", "DA", ""),
    ],
)
def test_dates(text, vr, moved):
    assert dates.shifted(text, vr, -7) == moved


@pytest.mark.parametrize(
    ("age", "safe"),
    [
        ("044Y", "044Y"),
        ("089Y", "089Y"),
        ("090Y", "090Y"),
        ("103Y", "090Y"),
        ("18M", "018M"),
        ("999M", "999M"),
        ("5W", "005W"),
        ("old", ""),
        ("", ""),
    ],
)
def test_ages(age, safe):
    assert dates.safe_age(age) == safe


def test_age_from_birth_date():
    assert dates.age_on("19310407", "20230406") == "090Y" and dates.age_on("19800407", "20230406") == "042Y"
    assert dates.age_on("19800407", "20230407") == "043Y" and dates.age_on("", "20230407") == ""


def test_every_spelling_of_a_date():
    found = dates.spellings(datetime.date(2024, 3, 1))
    assert {"20240301", "2024-03-01", "01.03.2024", "03/01/2024", "01/03/2024", "01.03.24"} <= set(found)


# --- words --------------------------------------------------------------------------------------------------------------

WORDS = Descriptors(KEY, "p", {"herz", "smith", "471145", "li"})


@pytest.mark.parametrize(
    "text",
    [
        "Bladder",
        "Lung_L",
        "SpinalCord",
        "PTV 50.4Gy",
        "GTV_Mass_MR_T1",
        "Harnblase",
        "Dose 5200[cGy]",
        "T1w ax post contrast",
        "Rt Lung",
        "parotide gauche",
        "CT Abdomen/Pelvis 3mm",
    ],
)
def test_words_of_the_field_stay(text):
    assert WORDS.is_clean(text) and WORDS.known_words(text) == text == WORDS.roi_name(text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("CT Abdomen Smith", "CT Abdomen"),
        ("Herz", ""),
        ("Plan 01.02.2023", "Plan"),
        ("CT 2023 abdomen", "CT abdomen"),
        ("MRI 471145", "MRI"),
        ("Smith-Pelvis", ""),
        ("15:30 pelvis", "pelvis"),
        ("Müllerová", ""),
        ("山田", ""),
        ("50", "50"),
    ],
)
def test_other_words_go(text, left):
    assert WORDS.known_words(text) == left


def test_roi_names():
    assert WORDS.roi_name("Prostata Smith").startswith("ROI_")
    assert WORDS.roi_name("Prostata Smith") == WORDS.roi_name("Prostata Smith") != WORDS.roi_name("Prostata Smyth")
    assert Descriptors(KEY, "q").roi_name("Prostata Smith") != WORDS.roi_name(
        "Prostata Smith"
    )  # not linkable across patients
    assert WORDS.roi_name("Herz") == "Heart"  # called like the organ: the name comes from the table
    assert len(WORDS.neutral("x" * 99, "Structures")) <= 16 and not any(map(str.isdigit, WORDS.neutral("x", "Plan")))
    assert unique(["A", "a", "B", "A"]) == ["A", "a_2", "B", "A_3"]


SURNAMES = """
smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez wilson anderson
thomas taylor moore jackson martin perez thompson white harris sanchez clark ramirez lewis robinson walker allen
wright scott torres nguyen hill flores green adams nelson baker rivera campbell mitchell carter roberts mueller
schmidt schneider fischer weber meyer wagner becker schulz hoffmann schaefer koch bauer richter klein wolf
schroeder neumann schwarz zimmermann braun krueger hofmann hartmann lange werner krause lehmann maier huber kaiser
fuchs peters lang scholz moeller weiss jung hahn vogel rossi russo ferrari esposito bianchi romano colombo ricci
marino greco bruno dubois durand leroy moreau simon laurent lefebvre michel bertrand roux vincent kowalski nowak
wisniewski wojcik jansen devries bakker visser papadopoulos ivanov petrov yamada tanaka suzuki wang zhang chen
"""


def test_people_are_no_words_of_the_field():
    """Common surnames of several countries; those that are words of the field as well are the listed few."""
    surnames = SURNAMES.split()
    assert {name for name in surnames if name in vocabulary()} <= {"greco"}


def test_coded_values():
    assert values.clean_coded_string(["ORIGINAL", "PRIMARY", "AXIAL"], WORDS, "ImageType") == [
        "ORIGINAL",
        "PRIMARY",
        "AXIAL",
    ]
    assert values.clean_coded_string(["SMITH"], WORDS, "ImageType") == ["REMOVED"]
    assert values.clean_coded_string(["SCHMIDTS"], WORDS, "BodyPartExamined") == ["REMOVED"]
    assert values.clean_coded_string(["X", "M"], WORDS, "PatientSex") == ["", "M"]
    assert values.clean_technical(["SIEMENS", "Smith 3000"], WORDS) == ["SIEMENS", "REMOVED"]


# --- settings -----------------------------------------------------------------------------------------------------------


def test_settings_from_file_and_command_line(tmp_path):
    path = tmp_path / "options.toml"
    path.write_text('retain = ["device"]\nflagged = "keep"\n')
    chosen = settings.read_settings(path, retain=None, flagged="skip")
    assert chosen.retain == ("device",) and chosen.flagged == "skip" and chosen.dates == "removed"
    assert settings.read_settings(None).dates == "modified"
    assert settings.read_settings(None, retain=["none"]).retain == ()


@pytest.mark.parametrize(
    "text",
    [
        'retain = ["everything"]',
        'keep = "all"',
        'flagged = "maybe"',
        "retain = [",
        "descriptors = 3",
        'retain = ["longitudinal-full-dates", "longitudinal-modified-dates"]',
    ],
)
def test_wrong_settings_are_told(text, tmp_path):
    path = tmp_path / "options.toml"
    path.write_text(text)
    with pytest.raises(FedRTError, match=re.escape(str(path))):
        settings.read_settings(path)
    with pytest.raises(FedRTError):
        settings.read_settings(tmp_path / "nowhere.toml")
