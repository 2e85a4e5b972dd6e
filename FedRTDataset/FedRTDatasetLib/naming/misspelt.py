"""Names that differ from a known one by a slip of the typing hand."""

from .vocabulary import Family, vocabulary

SHORTEST = 6
"""Letters below which a slip may make another word."""


def misspelt_families(key: str) -> tuple[list[Family], list[Family]]:
    """Families whose letters `key` surely means (two neighbours swapped, one letter doubled or not), and perhaps means.

    A letter at an end that may be a side (`kidneyl`, `femurr`) is no slip.
    """
    if len(key) < SHORTEST:
        return [], []
    surely, perhaps = [], []
    for other, family in vocabulary().by_letters.items():
        if abs(len(key) - len(other)) > 1 or len(other) < SHORTEST or family.unclear or not _one_apart(key, other):
            continue
        (surely if _is_slip(key, other) else perhaps).append(family)
    return surely, perhaps


def _one_apart(a: str, b: str) -> bool:
    """One letter of `b` added, missing, changed, or two neighbours swapped; but not a letter at an end that may be a side."""
    if a == b or (a[:-1] == b and a[-1] in "lrgdp") or (a[1:] == b and a[0] in "lrgdp"):
        return False
    rest_a, rest_b = _after_common_start(a, b)
    return (
        rest_a[1:] == rest_b[1:]
        or rest_a[1:] == rest_b
        or rest_a == rest_b[1:]
        or (rest_a[1::-1] == rest_b[:2] and rest_a[2:] == rest_b[2:])
    )


def _is_slip(a: str, b: str) -> bool:
    """Two neighbours swapped, or a letter doubled or its double left out."""
    if len(a) == len(b):
        return sorted(a) == sorted(b)
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return any(longer[n] == longer[n - 1] and longer[:n] + longer[n + 1 :] == shorter for n in range(1, len(longer)))


def _after_common_start(a: str, b: str) -> tuple[str, str]:
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return a[start:], b[start:]
