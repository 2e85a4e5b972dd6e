"""The one-cycle schedule (Smith and Topin, "Super-convergence", 2018) as a pure function of the step.

It holds no state of its own, so a resumed training and every site of a federation are at the right place in it as soon
as they know their step. Cosine phases and the opposite cycle of the momentum are those of torch's OneCycleLR.
"""

import math

START_DIVISOR, END_DIVISOR = 25, 25e4
MOMENTUM = (0.85, 0.95)


def one_cycle(step: int, steps: int, peak: float, warmup_fraction: float) -> tuple[float, float]:
    """Learning rate and momentum (Adam's first beta) of 0-based `step` of `steps`; after the end, its last values."""
    turn = max(1.0, warmup_fraction * steps - 1)
    low, high = MOMENTUM
    if step <= turn:
        share = step / turn
        return _cosine(peak / START_DIVISOR, peak, share), _cosine(high, low, share)
    share = min(1.0, (step - turn) / max(1.0, steps - 1 - turn))
    return _cosine(peak, peak / END_DIVISOR, share), _cosine(low, high, share)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
