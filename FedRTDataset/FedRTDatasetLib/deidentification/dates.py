"""Dates moved by one number of days for all of a patient's objects, ages kept as safe harbour allows.

The shift is 4 to 520 whole weeks into the past, drawn from the site's key and the patient: intervals and weekdays
(fractions, weekend gaps) stay, times of day and time zones stay as they are. What is no valid date is not shifted but
removed.
"""

import datetime
import re

from ..pseudonym import SiteKey

SHORTEST_WEEKS, LONGEST_WEEKS = 4, 520
OLDEST_YEARS = 89
_DT = re.compile(r"(\d{4})(\d\d)?(\d\d)?(.*)", re.DOTALL)
_DT_REST = re.compile(r"(\d{0,6}(\.\d{1,6})?)([+-]\d{4})?")
_TM = re.compile(r"\d\d(:?\d\d(:?\d\d(\.\d{1,6})?)?)?")
_AGE = re.compile(r"\d{1,3}[DWMY]")


def shift_days(patient: str, key: SiteKey) -> int:
    """Days to add to a patient's dates (negative, a multiple of seven)."""
    number = int(key.digest(patient, "deidentified-dates"), 16)
    return -7 * (SHORTEST_WEEKS + number % (LONGEST_WEEKS - SHORTEST_WEEKS + 1))


def read_date(text: str) -> datetime.date | None:
    """A DA value (also with the full stops of ACR-NEMA), or None."""
    digits = text.strip("\0 ").replace(".", "").replace("-", "")
    if not re.fullmatch(r"\d{8}", digits):
        return None
    try:
        return datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def shifted(text: str, vr: str, days: int) -> str:
    """A DA, DT or TM value moved by `days`; "" where it is none.

    A DT that stops at the year or month is moved from that period's middle and keeps its precision.
    """
    text = text.strip("\0 ")
    if vr == "TM":
        return text if _TM.fullmatch(text) else ""
    if vr == "DA":
        return _moved(read_date(text), days)
    match = _DT.fullmatch(text)
    if not match or not _DT_REST.fullmatch(match[4]):
        return ""
    if not match[3] and match[4][:1].isdigit():
        return ""
    moved = _moved(read_date(match[1] + (match[2] or "07") + (match[3] or ("15" if match[2] else "01"))), days)
    return moved[: 4 + 2 * bool(match[2]) + 2 * bool(match[3])] + match[4] if moved else ""


def _moved(date: datetime.date | None, days: int) -> str:
    try:
        return "" if date is None else (date + datetime.timedelta(days=days)).strftime("%Y%m%d").zfill(8)
    except OverflowError:
        return ""


def safe_age(text: str) -> str:
    """An AS value with all above 89 years as 090Y (HIPAA safe harbour, 45 CFR 164.514(b)(2)(i)(C)); "" where it is
    none."""
    text = text.strip("\0 ").upper()
    if not _AGE.fullmatch(text):
        return ""
    number, unit = int(text[:-1]), text[-1]
    years = number / {"Y": 1, "M": 12, "W": 52.1775, "D": 365.2425}[unit]
    return "090Y" if years >= OLDEST_YEARS + 1 or (unit == "Y" and number > OLDEST_YEARS) else f"{number:03d}{unit}"


def age_on(birth: str, day: str) -> str:
    """Age in whole years as AS value, "" where a date is missing or wrong."""
    born, today = read_date(birth), read_date(day)
    if born is None or today is None or today < born:
        return ""
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return safe_age(f"{years:03d}Y") if years < 1000 else ""


def spellings(date: datetime.date) -> list[str]:
    """The ways people write a date, for the search in the output."""
    formats = (
        "%Y%m%d %Y-%m-%d %Y/%m/%d %Y.%m.%d %d.%m.%Y %d/%m/%Y %m/%d/%Y %d-%m-%Y %m-%d-%Y %d%m%Y %m%d%Y %d.%m.%y %d/%m/%y"
    )
    return [date.strftime(form) for form in formats.split()]
