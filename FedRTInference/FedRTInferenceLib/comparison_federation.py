"""The federation of a comparison: a coordinator and one process a hospital on this machine, over TLS as between real ones."""

import json
import shutil
import socket
import time
from pathlib import Path

from FedRTDatasetLib.atomic import write_json
from FedRTDatasetLib.reporting import Reporter

from .commands import Command, Running, run_all
from .comparison_folder import ComparisonFolder


def federate(comparison: ComparisonFolder, report: Reporter) -> None:
    """Create the federation once, hand out kits, start everybody, train, and stop everybody."""
    folder = comparison.out / "federation"
    sites = {hospital: site_name(hospital) for hospital in comparison.hospitals}
    if not (comparison.out / "steps" / "federation-created.json").exists():
        _create(comparison, sites, report)
    settings = comparison.settings
    start = ["federation", "start", folder, "--rounds", settings.rounds, "--steps", settings.steps_per_round]
    start += ["--out", comparison.model("federated")]

    background: list[Running] = []
    try:
        serve = ["federation", "serve", folder]
        background.append(Running(Command("coordinator", "FedRTFederationLib", serve), report))
        for hospital, site in sites.items():
            home = comparison.out / "hospitals" / hospital
            join = ["federation", "join", home / "kit.zip", "--dataset", comparison.dataset(hospital)]
            join += ["--work", home / "federation"]
            background.append(Running(Command(f"site {site}", "FedRTFederationLib", join), report))
        run = Running(Command("federation", "FedRTFederationLib", start), report)
        background.append(run)
        while run.job.running:
            for one in background:
                one.follow()
            time.sleep(0.1)
        run.follow()
    finally:
        for one in reversed(background):
            one.job.cancel()
        for one in reversed(background):
            one.close()


def _create(comparison: ComparisonFolder, sites: dict[str, str], report: Reporter) -> None:
    folder = comparison.out / "federation"
    shutil.rmtree(folder, ignore_errors=True)
    init = ["federation", "init", folder, "--name", "comparison", "--address", f"127.0.0.1:{_free_port()}"]
    init += ["--config", comparison.out / "train.toml", "--structures", ",".join(comparison.settings.structures)]
    run_all([Command("federation", "FedRTFederationLib", init)], 1, report)
    for hospital, site in sites.items():
        kit = comparison.out / "hospitals" / hospital / "kit.zip"
        kit.unlink(missing_ok=True)
        make = ["federation", "kit", folder, site, "--out", kit]
        run_all([Command(f"kit {site}", "FedRTFederationLib", make)], 1, report)
    write_json(comparison.out / "steps" / "federation-created.json", {})


def site_name(hospital: str) -> str:
    """The hospital's folder name as a site name."""
    return "".join(c if c.isalnum() else "-" for c in hospital.lower()).strip("-")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def round_losses(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Training loss by site from the newest run's log: points (round, loss)."""
    logs = sorted(folder.glob("runs/*/rounds.jsonl"), key=lambda path: path.stat().st_mtime)
    losses: dict[str, list[tuple[float, float]]] = {}
    for line in logs[-1].read_text(encoding="utf-8").splitlines() if logs else []:
        entry = json.loads(line)
        loss = (entry.get("metrics") or {}).get("loss")
        if loss is not None:
            losses.setdefault(entry["site"], []).append((float(entry["round"]), float(loss)))
    return losses
