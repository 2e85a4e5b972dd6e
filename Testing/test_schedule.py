import pytest
import torch
from FedRTTrainLib.schedule import one_cycle


def test_it_is_the_one_cycle_of_torch():
    steps, peak = 100, 3e-3
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps, pct_start=0.08)
    for step in range(steps):
        rate, momentum = one_cycle(step, steps, peak, 0.08)
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6, abs=1e-12)
        assert momentum == pytest.approx(optimizer.param_groups[0]["betas"][0])
        optimizer.step()
        if step + 1 < steps:
            theirs.step()


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_short_trainings_have_a_rate_at_every_step(steps):
    for step in range(steps + 3):
        rate, momentum = one_cycle(step, steps, 1e-3, 0.08)
        assert 0 < rate <= 1e-3
        assert 0.85 <= momentum <= 0.95
