"""Loss over independent structure channels that leaves out what a case was not contoured for."""

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from .settings import Loss


def masked_loss(
    logits: torch.Tensor, target: torch.Tensor, labelled: torch.Tensor, settings: Loss
) -> tuple[torch.Tensor, torch.Tensor]:
    """Soft Dice plus binary cross-entropy, each the mean over the labelled channels.

    `logits` and `target` are (B, S, z, y, x), `labelled` is (B, S) bool. A channel that is not labelled is taken out
    before anything is computed, so it adds nothing to the loss and its gradient is exactly zero. Dice is summed over
    the cases of a batch that have the structure (steadier for structures that a patch may miss).

    Returns the loss (a scalar) and the soft Dice of each structure, (S,) without gradient, NaN where no case has it.
    """
    dice = torch.full((logits.shape[1],), torch.nan, device=logits.device)
    if not labelled.any():
        return logits.sum() * 0.0, dice
    chosen = logits[labelled].float()  # (n, z, y, x)
    truth = target[labelled].to(chosen.dtype)
    owner = labelled.nonzero()[:, 1]  # the structure of each chosen channel

    cross_entropy = F.binary_cross_entropy_with_logits(chosen, truth)

    probability = chosen.sigmoid().flatten(1)
    truth = truth.flatten(1)
    overlap = _by_structure((probability * truth).sum(1), owner, len(dice))
    size = _by_structure(probability.sum(1) + truth.sum(1), owner, len(dice))
    present = labelled.any(0)
    soft_dice = (2 * overlap + 1e-3) / (size + 1e-3)
    dice[present] = soft_dice.detach()[present]
    return settings.bce * cross_entropy + settings.dice * (1 - soft_dice[present].mean()), dice


def _by_structure(values: torch.Tensor, owner: torch.Tensor, structures: int) -> torch.Tensor:
    return torch.zeros(structures, device=values.device, dtype=values.dtype).index_add(0, owner, values)
