"""New UIDs under the site's key: the same original gives the same UID in every object and every run, and none leads
back.

A new UID is `2.25.` and a UUID as a decimal number (PS3.5 B.2): 122 bits of HMAC-SHA256, at most 44 characters.
"""

import functools

from ..pseudonym import SiteKey

WELL_KNOWN_PREFIX = "1.2.840.10008."

# UI attributes that name a kind of thing, not an instance; kept where the DICOM registry knows the value, and
# vendors' classes as well.
CLASS_KEYWORDS = (
    "SOPClass",
    "TransferSyntax",
    "CodingScheme",
    "ContextUID",
    "MappingResource",
    "ContextGroupExtensionCreator",
)


@functools.cache
def _registered() -> frozenset[str]:
    from pydicom.uid import UID_dictionary

    return frozenset(UID_dictionary)


def is_well_known(uid: str) -> bool:
    """True for UIDs of the DICOM registry (SOP classes, transfer syntaxes, coding schemes, standard frames of
    reference ...)."""
    return uid.startswith(WELL_KNOWN_PREFIX) and (uid in _registered() or uid.startswith("1.2.840.10008.6.1."))


def names_a_class(keyword: str) -> bool:
    """True for attributes such as Referenced SOP Class UID."""
    return any(part in keyword for part in CLASS_KEYWORDS)


def new_uid(uid: str, key: SiteKey) -> str:
    """The UID that stands for `uid`; well-known ones stand for themselves."""
    uid = uid.strip("\0 ")
    if not uid or is_well_known(uid):
        return uid
    number = int(key.digest(uid, "deidentified-uid"), 16)
    number &= ~(0xF << 76) & ~(0x3 << 62)
    number |= (0x8 << 76) | (0x2 << 62)  # version 8 ("custom") and variant of RFC 9562
    return f"2.25.{number}"
