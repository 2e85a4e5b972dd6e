"""`fedrt federation start`, `status` and `stop`: talking to a running coordinator over its loopback address.

The coordinator's address and the secret that the Control API asks for stand in `state/coordinator.json`, which only the
owner of the federation's folder can read.
"""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from FedRTDatasetLib import atomic
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.reporting import Reporter

from . import bundle, environment, rounds, runlog
from .coordinator import running_coordinator
from .folder import FederationFolder, RunSettings, utc_now
from .gate import SECRET_HEADER

_LOOK_SECONDS = 0.3
_ALIVE_SECONDS = 3.0
_STOP_SECONDS = 30.0
_COORDINATOR_SECONDS = 60.0
"""`start` may be given together with `serve`, by a script for example."""


def start(
    folder: FederationFolder, *, task: str, rounds_wanted: int, steps: int, sites: tuple[str, ...] | None,
    min_sites: int | None, wait_seconds: float, round_seconds: float, out: Path | None, report: Reporter,
    payload: int = 0,
) -> Path:  # fmt: skip
    """Start a run, show its progress, return the model's folder. Raises FedRTError when it fails.

    Interrupting this stops the run; the model of the last finished round is kept.
    """
    state = _require_coordinator(folder, _COORDINATOR_SECONDS)
    if out is not None and out.exists():
        raise FedRTError(f"{out} exists already; choose another folder for the model.")
    registered = folder.sites()
    wanted = sites or tuple(registered)
    if unknown := [site for site in wanted if site not in registered]:
        raise FedRTError(f"No kit was issued for {', '.join(unknown)}; make one with: fedrt federation kit")
    if not wanted:
        raise FedRTError(f"Federation {folder.settings.name} has no sites yet; make kits with: fedrt federation kit")
    run = folder.new_run()
    settings = RunSettings(
        run=run, task=task, rounds=rounds_wanted, steps=steps, sites=wanted, min_sites=min_sites or len(wanted),
        wait_seconds=wait_seconds, round_seconds=round_seconds, payload=payload, created=utc_now(),
    )  # fmt: skip
    atomic.write_text(folder.run_folder(run) / "run.json", settings.model_dump_json(indent=2) + "\n")
    _start_run(folder, state, run)
    report.event("run", run=run)
    try:
        _watch(folder, run, report)
    except KeyboardInterrupt:
        request_stop(folder, run)
        with contextlib.suppress(FedRTError):
            _watch(folder, run, Reporter(), time.monotonic() + _STOP_SECONDS)
        raise
    model = rounds.model_folder(folder, run)
    if out is not None:
        with atomic.replacing_folder(out) as partial:
            shutil.copytree(model, partial, dirs_exist_ok=True)
    return out or model


def request_stop(folder: FederationFolder, run: str) -> None:
    """Ask the coordinator to end a run."""
    (folder.run_folder(run) / rounds.STOP_FILE).touch()


def stop(folder: FederationFolder, coordinator: bool, report: Reporter) -> None:
    """Stop the run in progress and, if asked, the coordinator. Raises FedRTError if there is nothing to stop."""
    state = _require_coordinator(folder)
    active = [run["run"] for run in _runs(folder) if run["status"] in ("waiting", "training")]
    for run in active:
        request_stop(folder, run)
        with contextlib.suppress(FedRTError):
            _watch(folder, run, Reporter(), time.monotonic() + _STOP_SECONDS)
        report.info(f"{run} stopped.")
    if not active and not coordinator:
        raise FedRTError(f"Federation {folder.settings.name} has no run in progress.")
    if coordinator:
        os.kill(state["pid"], signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while running_coordinator(folder) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        report.info("The coordinator stopped.")


def status(folder: FederationFolder) -> dict[str, Any]:
    """The federation, its sites (connected or not) and its runs, as JSON values."""
    state = running_coordinator(folder)
    connected = _connected(folder, state) if state else {}
    sites = {
        name: {"fingerprint": site.fingerprint, "connected": site.public_key.encode() in connected}
        for name, site in folder.sites().items()
    }
    settings = folder.settings
    return {
        "federation": settings.name, "address": settings.address, "serving": state is not None, "sites": sites,
        "refused": _refused(folder), "runs": _runs(folder),
    }  # fmt: skip


def _refused(folder: FederationFolder) -> list[dict[str, Any]]:
    """Who was refused, newest last, once a key."""
    events = runlog.read(folder.path / "events.jsonl")
    newest = {event["fingerprint"]: event for event in events if event["event"] == "refused"}
    return [{key: event.get(key) for key in ("time", "site", "fingerprint", "reason")} for event in newest.values()]


def _runs(folder: FederationFolder) -> list[dict[str, Any]]:
    return [_run_status(folder, run) for run in folder.runs() if (folder.run_folder(run) / "run.json").exists()]


def _run_status(folder: FederationFolder, run: str) -> dict[str, Any]:
    """How far a run is, and each site's last round."""
    settings = folder.run_settings(run)
    described = {"run": run, "task": settings.task, "status": "waiting", "round": 0, "rounds": settings.rounds}
    for event in runlog.read(folder.run_folder(run) / "events.jsonl"):
        if event["event"] == "round":
            described.update(status="training", round=event["done"], loss=event.get("loss"))
        elif event["event"] in ("finished", "failed", "stopped"):
            described.update(status=event["event"], **({"text": event["text"]} if "text" in event else {}))
    last = {line["site"]: line for line in runlog.read(folder.run_folder(run) / "rounds.jsonl")}
    keep = ("round", "accepted", "reason", "cases", "steps", "metrics", "seconds")
    described["sites"] = {site: {key: line.get(key) for key in keep} for site, line in last.items()}
    return described


def _watch(folder: FederationFolder, run: str, report: Reporter, until: float | None = None) -> None:
    """Relay a run's events until it ends. Raises FedRTError unless it finished."""
    follower = runlog.Follower(folder.run_folder(run) / "events.jsonl")
    sites = runlog.Follower(folder.run_folder(run) / "rounds.jsonl")
    checked = time.monotonic()
    while until is None or time.monotonic() < until:
        ended = False
        if time.monotonic() - checked > _ALIVE_SECONDS:
            ended = running_coordinator(folder) is None  # looked at before the events, so that none is missed
            checked = time.monotonic()
        for line in sites.new():
            report.event("site_round", **_without_event(line))
        for event in follower.new():
            if _relay(event, report):
                return
        if ended:
            raise FedRTError(
                f"The coordinator ended during {run}; start it (fedrt federation serve) and the run again."
            )
        time.sleep(_LOOK_SECONDS)


def _relay(event: dict[str, Any], report: Reporter) -> bool:
    """Tell one event; True when the run is finished. Raises FedRTError when it failed or was stopped."""
    kind = event["event"]
    if kind in ("failed", "stopped"):
        raise FedRTError(event["text"])
    if kind == "round":
        report.progress("rounds", event["done"], event["of"])
    if kind == "warning":
        report.warning(event["text"])
    elif kind == "waiting":
        report.info(f"Waiting for {', '.join(event['sites'])}.")
    elif kind == "site":
        report.info(f"Site {event['site']} takes part with {event['cases']} labelled cases.")
    if kind not in ("warning",):
        report.event(f"run_{kind}", **_without_event(event))
    return kind == "finished"


def _without_event(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "event"}


def _require_coordinator(folder: FederationFolder, patience: float = 0.0) -> dict[str, Any]:
    """Wait up to `patience` seconds for a coordinator that is starting. Raises FedRTError if there is none."""
    end = time.monotonic() + patience
    while (state := running_coordinator(folder)) is None and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
    if state is None:
        raise FedRTError(
            f"Federation {folder.settings.name} is not being served; start it with: fedrt federation serve {folder.path}"
        )
    return state


@contextlib.contextmanager
def _client(folder: FederationFolder, state: dict[str, Any]):
    """Flower's Control API client with our secret. Its errors become one sentence."""
    environment.prepare(folder.state / "flower")
    import httpx
    from flwr.supercore.control.control_http_client import ControlHttpClient
    from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

    interceptors = [RuntimeVersionHttpInterceptor(component_name="flwr CLI"), _Secret(state["control_secret"])]
    authority = folder.authority_certificate.read_bytes()
    try:
        with ControlHttpClient.from_server_address(state["address"], False, authority, interceptors) as client:
            yield client
    except httpx.HTTPError as error:
        raise FedRTError(f"The coordinator did not take the request ({type(error).__name__}); see its log.") from None


class _Secret:
    """Adds the Control secret to a request (Flower's interceptor protocol)."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def intercept(self, context, call_next):
        context.request.headers[SECRET_HEADER] = self._secret
        return call_next(context)


def _start_run(folder: FederationFolder, state: dict[str, Any], run: str) -> None:
    from flwr.common.serde import user_config_to_proto
    from flwr.proto.control_pb2 import StartRunRequest
    from flwr.proto.fab_pb2 import Fab

    with _client(folder, state) as client:
        request = StartRunRequest(
            fab=Fab(hash_str=bundle.sha256(), content=bundle.content()),
            override_config=user_config_to_proto({"run": run}),
        )
        if not client.StartRun(request).run_id:
            raise FedRTError("Flower did not start the run; see the coordinator's log.")


def _connected(folder: FederationFolder, state: dict[str, Any]) -> set[bytes]:
    """Public keys of the sites that are connected."""
    from flwr.proto.control_pb2 import ListNodesRequest

    with _client(folder, state) as client:
        return {node.public_key for node in client.ListNodes(ListNodesRequest()).nodes_info if node.status == "online"}
