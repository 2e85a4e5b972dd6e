"""Keep a patient's identity out of what is shown or written."""

import re

HIDDEN = "(hidden)"


def without_identity(text: str, *identities: str) -> str:
    """`text` with every part of the given Patient IDs and names (three characters or more) replaced.

    File and ROI names are chosen by people and now and then hold the patient's name.
    """
    parts = {part for identity in identities for part in re.split(r"[\^=\s,;_/\\-]+", identity) if len(part) >= 3}
    parts |= {identity for identity in identities if len(identity) >= 3}
    for part in sorted(parts, key=len, reverse=True):
        text = re.sub(re.escape(part), HIDDEN, text, flags=re.IGNORECASE)
    return text
