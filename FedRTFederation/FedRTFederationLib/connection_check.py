"""The task `connection-check`: prove that every site connects, receives, computes, answers and is named rightly.

It fits a line to numbers made up at each site, so it needs no dataset, no GPU and no torch, and ends in seconds. IT
staff run it before the first training; the tests run it because everything but the network itself is the real thing.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from FedRTDatasetLib import atomic

from .folder import FederationFolder, RunSettings
from .packing import Weights
from .task import CaseCounts, Metrics, Offer, OnStep, SiteOptions

TRUE_SLOPE = np.array([2.0, -1.0], np.float32)
CASES = 20


def open_coordinator(folder: FederationFolder, run: RunSettings) -> "_Coordinator":
    """The coordinator's side; `run.payload` extra float32 values are carried along."""
    return _Coordinator(run.payload)


def open_site(requirements: dict[str, Any], options: SiteOptions, work: Path) -> "_Site":
    """The site's side; the dataset is not opened."""
    return _Site(work)


class _Coordinator:
    def __init__(self, payload: int) -> None:
        self._payload = payload

    def invitation(self) -> dict[str, Any]:
        return {}

    def settle(self, offers: dict[str, Offer]) -> dict[str, str]:
        return {}

    def requirements(self) -> dict[str, Any]:
        return {}

    def initial_weights(self) -> Weights:
        return {
            "slope": np.zeros((2, 1), np.float32),
            "rounds": np.zeros((), np.int64),
            "payload": np.zeros(self._payload, np.float32),
        }

    def output_rows(self) -> dict[str, tuple[str, ...]]:
        return {}

    def save(self, folder: Path, weights: Weights, summary: dict[str, Any]) -> None:
        slope = weights["slope"][:, 0]
        with atomic.replacing_folder(folder) as partial:
            document = {
                "task": "connection-check",
                "slope": slope.tolist(),
                "rounds": int(weights["rounds"]),
                **summary,
            }
            (partial / "connection-check.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


class _Site:
    """Gradient descent on a least-squares problem; the step count survives a restart in a small file."""

    def __init__(self, work: Path) -> None:
        self._state = work / "connection-check.json"
        self._steps = json.loads(self._state.read_text())["steps"] if self._state.exists() else 0

    def labelled_cases(self) -> CaseCounts:
        return CaseCounts(CASES)

    def properties(self) -> dict[str, Any]:
        return {}

    def train(self, weights: Weights, round_number: int, steps: int, report: OnStep) -> tuple[Weights, Metrics]:
        random = np.random.default_rng(round_number)
        inputs = random.standard_normal((CASES, 2)).astype(np.float32)
        targets = inputs @ TRUE_SLOPE[:, None]
        slope = weights["slope"].copy()
        for step in range(steps):
            slope -= 0.1 * inputs.T @ (inputs @ slope - targets) / CASES
            report(step + 1, steps)
        self._steps += steps
        atomic.write_json(self._state, {"steps": self._steps})
        loss = float(np.mean((inputs @ slope - targets) ** 2))
        updated = {"slope": slope, "rounds": np.asarray(weights["rounds"] + 1), "payload": weights["payload"]}
        return updated, {"loss": loss, "steps_ever": float(self._steps)}
