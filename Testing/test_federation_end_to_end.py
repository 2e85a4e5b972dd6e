"""A real federation: coordinator and sites as processes on loopback, TLS, site authentication, nothing replaced.

The sites of the one federation that all tests share: `north` and `south` with tiny datasets, `coarse` whose dataset was
processed differently, `broken` which sends weights that are not numbers, `foreign` whose kit allows another app, and
`stranger` whose key is not registered. The tests run in order; each takes the federation as the one before left it.
"""

import hashlib
import json
import shutil
import ssl

import numpy as np
import pytest
from federation_processes import Federation, change_kit, descendants_alive
from tiny_dataset import write_tiny_dataset

TRAIN = """
threads = 1
precision = "fp32"
patch_size = "whole"
[network]
name = "UNet"
channels = [8, 16]
strides = [2]
num_res_units = 0
"""


@pytest.fixture(scope="module")
def federation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("federation")
    write_tiny_dataset(folder / "data-north", organs=("Bladder", "Prostate"), seed=1)
    counts = {"train": 5, "validation": 1, "test": 1}
    write_tiny_dataset(folder / "data-south", organs=("Bladder", "Rectum"), cases=counts, seed=2)
    write_tiny_dataset(folder / "data-coarse", organs=("Bladder",), spacing_mm=(4.0, 4.0, 6.0), seed=3)
    (folder / "train.toml").write_text(TRAIN)
    federation = Federation(folder, "--config", folder / "train.toml")
    try:
        for site in ("north", "south", "coarse", "broken", "foreign", "stranger"):
            federation.kit(site)
        (federation.dir / "sites" / "stranger.json").unlink()
        change_kit(folder / "foreign.zip", allowed_apps=[hashlib.sha256(b"another app").hexdigest()])
        federation.serve()
        for site in ("north", "south", "coarse"):
            federation.join(site, "--dataset", folder / f"data-{site}", "--threads", 1)
        federation.join("broken", sabotaged=True)
        federation.join("foreign")
        federation.join("stranger")
        yield federation
    finally:
        federation.close()


@pytest.fixture(scope="module")
def check_run(federation):
    """The first run: two rounds of the connection check with everybody, good and bad."""
    return federation.run(
        "start", federation.dir, "--task", "connection-check", "--rounds", 2, "--steps", 5, "--payload", 100_000,
        "--sites", "north,south,broken,foreign", "--min-sites", 2, "--wait", 150, "--out", federation.folder / "check",
    )  # fmt: skip


def events(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_connection_check_ends_with_the_good_sites(federation, check_run):
    assert check_run.returncode == 0, check_run.stderr + check_run.stdout
    assert [(e["done"], e["of"]) for e in events(check_run) if e["event"] == "progress"] == [(0, 2), (1, 2), (2, 2)]
    result = json.loads((federation.folder / "check" / "connection-check.json").read_text())
    assert result["sites"] == {"north": 20, "south": 20, "broken": 20}
    assert result["rounds"] == 2
    # Two rounds of five descent steps from zero, the same numbers at both sites: worked out here by hand.
    slope = np.zeros((2, 1), np.float32)
    for number in (1, 2):
        inputs = np.random.default_rng(number).standard_normal((20, 2)).astype(np.float32)
        for _ in range(5):
            slope -= 0.1 * inputs.T @ (inputs @ slope - inputs @ np.array([[2.0], [-1.0]], np.float32)) / 20
    assert np.allclose(result["slope"], slope[:, 0], atol=1e-6)


def test_bad_sites_are_named_with_the_reason(check_run):
    warnings = " ".join(event["text"] for event in events(check_run) if event["event"] == "warning")
    assert "Site broken: no update in round 1: tensor slope has values that are not finite numbers." in warnings
    assert "Site broken: no update in round 2" in warnings
    assert "Site foreign does not take part: app" in warnings
    assert "is not in this site's kit" in warnings
    assert "north" not in warnings
    assert "south" not in warnings


def test_wrong_app_is_refused_at_the_site(federation, check_run):
    assert "is not in this site's kit" in federation.log("foreign")
    assert "trained" not in (federation.folder / "foreign.work" / "log.jsonl").read_text()


def test_unregistered_site_is_refused_on_both_sides(federation, check_run):
    assert federation.processes["stranger"].wait(60) == 1
    assert "does not know site stranger" in federation.log("stranger")
    federation.wait_for_log("coordinator", "was refused: its key is not registered", 10)
    status = json.loads(federation.run("status", federation.dir, "--json").stdout)
    assert [refused["reason"] for refused in status["refused"]] == ["its key is not registered"]
    assert "stranger" not in status["sites"]


def test_log_accounts_for_every_site_and_round(federation, check_run):
    lines = federation.lines("run-001", "rounds.jsonl")
    accepted = {(line["round"], line["site"]): line["accepted"] for line in lines}
    good = {(r, site): True for r in (1, 2) for site in ("north", "south")}
    assert accepted == {**good, (1, "broken"): False, (2, "broken"): False}
    sites = {file.stem: json.loads(file.read_text()) for file in (federation.dir / "sites").glob("*.json")}
    keys = {"time", "round", "site", "fingerprint", "cases", "seconds", "bytes_sent", "accepted", "reason", "steps",
            "metrics", "bytes_received"}  # fmt: skip
    for line in lines:
        assert keys <= line.keys() <= {*keys, "site_seconds"}
        assert line["fingerprint"] == sites[line["site"]]["fingerprint"]
        assert line["bytes_sent"] > 400_000
        if line["accepted"]:
            assert line["bytes_received"] == line["bytes_sent"]
            assert line["steps"] == 5
            assert set(line["metrics"]) == {"loss", "steps_ever"}


def test_only_the_sites_endpoint_is_exposed(federation, check_run):
    import http.client

    context = ssl.create_default_context(cafile=str(federation.dir / "authority" / "authority.crt"))
    for path in ("/v1/control/list-runs", "/v1/runtime/acquire-task", "/v1/fleet/register-node", "/docs"):
        connection = http.client.HTTPSConnection("127.0.0.1", federation.port, context=context, timeout=10)
        connection.request("POST", path, b"", {"content-type": "application/protobuf"})
        assert connection.getresponse().status == 404
        connection.close()
    plain = http.client.HTTPConnection("127.0.0.1", federation.port, timeout=10)
    with pytest.raises(http.client.HTTPException):
        plain.request("GET", "/v1/fleet/activate-node")
        plain.getresponse()


def test_second_coordinator_on_the_folder_is_refused(federation, check_run):
    second = federation.run("serve", federation.dir)
    assert second.returncode == 1
    assert "is served already" in second.stderr


def test_contouring_trains_one_model_over_different_organs(federation, check_run):
    from FedRTTrainLib.model import load_model

    shutil.rmtree(federation.folder / "model", ignore_errors=True)
    done = federation.run(
        "start", federation.dir, "--rounds", 2, "--steps", 3, "--sites", "north,south,coarse", "--min-sites", 2,
        "--out", federation.folder / "model",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + federation.log("north")[-3000:]
    assert "Site coarse does not take part: its dataset was processed differently: spacing_mm" in done.stdout
    federation.wait_for_log("coarse", "cannot take part in run-002", 10)
    _, card = load_model(federation.folder / "model")
    assert card.names == ("Bladder", "Prostate", "Rectum")
    assert card.training.labelled_cases == {"Bladder": 8, "Prostate": 3, "Rectum": 5}
    assert card.training.steps == 6
    assert card.lineage.round == 2
    lines = federation.lines("run-002", "rounds.jsonl")
    assert {(line["site"], line["cases"], line["accepted"]) for line in lines} == {
        ("north", 3, True),
        ("south", 5, True),
    }


def test_killed_site_comes_back_and_the_run_goes_on(federation, check_run):
    """North is killed without warning while it trains; started again, it is asked again and the run completes."""
    command = ["start", federation.dir, "--rounds", 3, "--steps", 150, "--sites", "north", "--progress", "json"]
    from federation_processes import COMMAND

    federation.start("start", [*COMMAND, *map(str, command)])
    federation.wait_for_log("north", '"stage": "round 2 of 3"')
    federation.processes["north"].kill()
    federation.processes["north"].wait()
    federation.join("north", "--dataset", federation.folder / "data-north", "--threads", 1)
    assert federation.processes["start"].wait(150) == 0, federation.log("start")
    assert "Site north lost its connection" in federation.log("start")
    assert [line["round"] for line in federation.lines("run-003", "rounds.jsonl")] == [1, 2, 3]


def test_stopped_run_keeps_the_last_finished_round(federation, check_run):
    from federation_processes import COMMAND

    command = ["start", federation.dir, "--task", "connection-check", "--rounds", 1000, "--sites", "south"]
    federation.start("long", [*COMMAND, *map(str, command), "--progress", "json"])
    federation.wait_for_log("long", '"run_round"')
    federation.wait_for_log("long", '"done": 1,')
    assert federation.run("stop", federation.dir).returncode == 0
    assert federation.processes["long"].wait(30) == 1
    assert "was stopped" in federation.log("long")
    assert (
        json.loads((federation.dir / "runs" / "run-004" / "model" / "connection-check.json").read_text())["rounds"] >= 1
    )
    status = json.loads(federation.run("status", federation.dir, "--json").stdout)
    assert [run["status"] for run in status["runs"]] == ["finished", "finished", "finished", "stopped"]


def test_nothing_is_left_behind(federation, check_run):
    assert federation.run("stop", federation.dir, "--coordinator").returncode == 0
    federation.close()
    assert federation.processes["coordinator"].returncode == 0
    assert {name: p.returncode for name, p in federation.processes.items() if name in ("south", "coarse")} == {
        "south": 0,
        "coarse": 0,
    }
    assert descendants_alive(federation.folder) == []
    assert not (federation.dir / "state" / "coordinator.json").exists()
