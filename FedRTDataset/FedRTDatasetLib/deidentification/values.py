"""Values of single kinds: dummies, coded strings, names of products, coded entries."""

import functools
import re
from collections import Counter
from typing import TYPE_CHECKING

from .descriptors import Descriptors, vocabulary, words_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

REMOVED = "REMOVED"
_CODED = re.compile(r"[A-Z0-9 _]{0,16}")
_CODE = re.compile(r"[A-Za-z0-9._+:/-]{1,64}")
_LONG_NUMBER = re.compile(r"\d{7,}")
_STANDARD_SCHEMES_TEXT = (
    "ICD-O-2 ICD-O-3 DCM SCT SRT SNM3 99SDM LN UCUM FMA UMLS RADLEX MDC NCIt UBERON MA ITIS_TSN ICD9 I9 I9C I10 I10P "
    "ICDO3 IBSI CPT4 C4 HCPCS ISO3166_1 RFC5646 CD8 NEU NYUMCCG PUBCHEM_CID UNS IANATZ"
)
STANDARD_SCHEMES = frozenset(_STANDARD_SCHEMES_TEXT.split())


def dummy(vr: str):
    """A valid value that says nothing."""
    return {
        "DA": "19000101",
        "TM": "000000",
        "DT": "19000101000000",
        "AS": "000Y",
        "SQ": [],
        "DS": "0",
        "IS": "0",
        "PN": REMOVED,
        "OB": b"",
        "OW": b"",
        "UN": b"",
        "UR": "",
        "AT": 0,
    }.get(vr, 0 if vr in ("US", "SS", "UL", "SL", "FD", "FL", "UV", "SV") else REMOVED)


def clean_coded_string(texts: list[str], descriptors: Descriptors, keyword: str) -> list[str]:
    """CS values that are terms: capitals, digits, no part of the patient's identity unless it is a word of the
    field."""
    if keyword == "PatientSex":
        return [text if text in ("M", "F", "O") else "" for text in texts]
    kept = []
    for text in texts:
        known = all(word.isdigit() or word in vocabulary() for word in words_of(text))
        fits = _CODED.fullmatch(text) is not None and not _LONG_NUMBER.search(text)
        if keyword == "BodyPartExamined":
            fits = known  # typed in by people
        kept.append(
            text
            if (fits and (known or not descriptors.holds_identity(text))) or descriptors.is_clean(text)
            else REMOVED
        )
    return kept


_ETHNIC_TEXT = (
    "african alaska native american arab asian australian aboriginal black caribbean caucasian chinese european hispanic "
    "indian indigenous islander japanese korean latin latino latina maori mediterranean mestizo middle eastern mixed north "
    "south east west pacific persian roma sami turkish white not or of the and other unknown non ethnic group"
)
_ETHNIC = frozenset(_ETHNIC_TEXT.split())


def clean_ethnic_group(texts: list[str]) -> list[str]:
    """Ethnic groups as such; anything else that was typed into the attribute goes."""
    return [text if all(word in _ETHNIC for word in words_of(text)) else REMOVED for text in texts]


def clean_technical(texts: list[str], descriptors: Descriptors) -> list[str]:
    """Names of products, versions and methods without part of the patient's identity and without long numbers."""
    return [
        REMOVED if descriptors.holds_identity(text) or _LONG_NUMBER.search(text) or not text.isprintable() else text
        for text in texts
    ]


def clean_code(dataset: "Dataset", copy: "Dataset", descriptors: Descriptors, counts: Counter) -> None:
    """A coded entry: the meaning as the Standard prints it where it knows the code, else cleaned like a description.

    Codes of local schemes (99...) keep their value where it has the form of a code and holds no part of the identity.
    """
    scheme, value = str(dataset.get("CodingSchemeDesignator", "") or ""), str(dataset.get("CodeValue", "") or "")
    official = _official_meaning(scheme, value)
    if official is not None:
        copy.CodeValue, copy.CodingSchemeDesignator, copy.CodeMeaning = value, scheme, official
        return
    meaning = str(dataset.get("CodeMeaning", "") or "")
    if scheme not in STANDARD_SCHEMES and not scheme.startswith("99IMPH"):
        scheme = scheme if descriptors.is_clean(scheme.removeprefix("99")) else "99LOCAL" if scheme else ""
    local = scheme.startswith("99")
    bad = not _CODE.fullmatch(value) or descriptors.holds_identity(value) or (local and _LONG_NUMBER.search(value))
    copy.CodingSchemeDesignator = scheme
    if value:
        copy.CodeValue = REMOVED if bad else value
    copy.CodeMeaning = descriptors.known_words(meaning) or (REMOVED if meaning else "")
    for keyword in ("CodingSchemeVersion", "LongCodeValue", "URNCodeValue"):
        text = str(dataset.get(keyword, "") or "")
        plain = re.fullmatch(r"[0-9A-Za-z._:/-]{1,64}", text) and not descriptors.holds_identity(text) and not local
        if text and not plain and keyword in copy:
            del copy[keyword]
    counts["cleaned"] += copy.CodeMeaning != meaning


def _official_meaning(scheme: str, value: str) -> str | None:
    """The meaning of a DCM, SCT or other code that pydicom's copy of PS3.16 knows."""
    return _meanings().get((scheme, value))


@functools.cache
def _meanings() -> dict[tuple[str, str], str]:
    from pydicom.sr._concepts_dict import concepts

    return {
        (scheme, value): meaning
        for scheme, entries in concepts.items()
        for codes in entries.values()
        for value, (meaning, _) in codes.items()
    }
