"""`fedrt federation serve`: the coordinator in the foreground.

Starts the SuperLink as a child, runs the runs that are started, and tells who connects and who is refused. Everything
ends when it is interrupted or terminated: the child stops with it, a run in progress keeps its last finished round.
"""

import contextlib
import json
import os
import secrets
import socket
import time
import traceback
from pathlib import Path
from typing import Any

from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.reporting import Reporter

from . import bundle, environment, identity, pace, rounds, runlog
from .folder import FederationFolder, split_address
from .process import Child

_START_SECONDS = 90.0
_IDLE_SECONDS = 0.5


def serve(path: Path | str, report: Reporter) -> None:
    """Run the coordinator of the federation in `path` until interrupted. Raises FedRTError if it cannot start."""
    folder = FederationFolder.open(path)
    environment.prepare(folder.state / "flower")
    with _only_one(folder):
        secret = {"executor": secrets.token_hex(32), "control": secrets.token_hex(32)}
        argument = {
            "folder": str(folder.path.resolve()),
            "executor_secret": secret["executor"],
            "control_secret": secret["control"],
        }
        child = Child("superlink", argument, folder.state / "superlink.log")
        try:
            address = _address(child, folder)
            state = {"pid": os.getpid(), "address": address, "control_secret": secret["control"]}
            identity.write_private(folder.state / "coordinator.json", json.dumps(state).encode())
            names = ", ".join(folder.sites()) or "none yet"
            report.event("serving", address=folder.settings.address, sites=list(folder.sites()))
            report.info(f"Federation {folder.settings.name} at {folder.settings.listen}; registered sites: {names}.")
            _Coordinator(folder, child, address, secret["executor"], report).work()
        finally:
            (folder.state / "coordinator.json").unlink(missing_ok=True)
            child.stop()


@contextlib.contextmanager
def _only_one(folder: FederationFolder):
    """Refuse a second coordinator on the same folder."""
    if (running := running_coordinator(folder)) is not None:
        raise FedRTError(f"Federation {folder.settings.name} is served already (process {running['pid']}).")
    yield


def running_coordinator(folder: FederationFolder) -> dict[str, Any] | None:
    """pid, loopback address and control secret of the coordinator that serves this folder, or None."""
    try:
        state = json.loads((folder.state / "coordinator.json").read_text())
        socket.create_connection(split_address(state["address"]), timeout=2).close()
    except (OSError, ValueError):
        return None
    return state


def _address(child: Child, folder: FederationFolder) -> str:
    """Wait until the SuperLink serves; its loopback address."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and child.exit_code() is None:
        message = child.message(timeout=0.2)
        if message and message["event"] == "ready":
            return message["address"]
        if message and message["event"] == "failed":
            raise FedRTError(message["text"])
    message = child.message(timeout=0.5)
    if message and message["event"] == "failed":
        raise FedRTError(message["text"])
    raise FedRTError(f"The coordinator's Flower process did not start; see {folder.state / 'superlink.log'}.")


class _Coordinator:
    """The loop: relay what the SuperLink tells, run runs."""

    def __init__(self, folder: FederationFolder, child: Child, address: str, secret: str, report: Reporter) -> None:
        from flwr.supercore.constant import TaskType

        from .executor import Executor

        environment.quieten()
        pace.quicken_grid()
        self._folder = folder
        self._child = child
        self._report = report
        self._authority = folder.authority_certificate.read_bytes()
        self._executor = Executor(address, secret, TaskType.SERVER_APP, self._authority)

    def work(self) -> None:
        while True:
            self._relay()
            claim = self._executor.claim()
            if claim is None:
                time.sleep(_IDLE_SECONDS)
            else:
                self._run(claim)

    def _relay(self) -> None:
        """Tell and log who connected, left or was refused. Raises FedRTError if the SuperLink is gone."""
        while (message := self._child.message()) is not None:
            fingerprint = message.get("fingerprint", "")
            known = {site.fingerprint: name for name, site in self._folder.sites().items()}
            site = known.get(fingerprint)
            runlog.append(self._folder.path / "events.jsonl", **{"site": site, **message})
            self._report.event(f"site_{message['event']}", site=site, fingerprint=fingerprint)
            who = f"Site {site}" if site else f"Someone with key {fingerprint}"
            if message["event"] == "refused":
                self._report.warning(f"{who} was refused: {message['reason']}.")
            else:
                self._report.info(f"{who} {message['event']}.")
        if self._child.exit_code() is not None:
            raise FedRTError(f"The coordinator's Flower process ended; see {self._folder.state / 'superlink.log'}.")

    def _run(self, claim) -> None:
        """Carry out one claimed run and tell Flower how it ended. Nothing but an interrupt passes through."""
        from flwr.common.constant import SubStatus

        ended, details = SubStatus.FAILED, "the coordinator was stopped"
        with self._executor.working(claim) as client:
            try:
                self._carry_out(claim, client)
                ended, details = SubStatus.COMPLETED, ""
            except rounds.StoppedError:
                ended, details = SubStatus.STOPPED, "stopped"
            except FedRTError as error:
                details = str(error)
                self._report.warning(details)
            except Exception as error:
                details = type(error).__name__
                self._report.warning(f"The run ended with an unexpected {details}.")
                traceback.print_exception(error)
            finally:
                _finish(client, ended, details)

    def _carry_out(self, claim, client) -> None:
        from flwr.common.serde import context_from_proto, run_from_proto
        from flwr.proto.runtime_pb2 import PullTaskInputRequest

        from .executor import take_identity
        from .grid import SiteGrid

        task_input = client.PullTaskInput(PullTaskInputRequest())
        flower_run = run_from_proto(task_input.run)
        if flower_run.fab_hash != bundle.sha256():
            raise FedRTError("The run was started with a foreign app bundle; start runs with: fedrt federation start")
        take_identity(task_input.task_id, flower_run.run_id, context_from_proto(task_input.context).node_id)
        run = rounds.Run(self._folder, str(flower_run.override_config.get("run", "")))

        def check() -> None:
            self._relay()
            if claim.lost.is_set() or run.stop_requested():
                raise rounds.StoppedError

        grid = SiteGrid(self._executor.address, self._authority, claim.token, check)
        grid.set_run(flower_run)
        self._report.info(f"{run.settings.run}: {run.settings.task}, {run.settings.rounds} rounds.")
        try:
            rounds.carry_out(run, grid, check)
        except KeyboardInterrupt:
            run.event("stopped", text="The coordinator was stopped.")
            raise
        finally:
            grid.close()
        self._report.info(f"{run.settings.run} finished.")


def _finish(client, sub_status: str, details: str) -> None:
    import httpx
    from flwr.proto.runtime_pb2 import PushTaskOutputRequest

    with contextlib.suppress(httpx.HTTPError):
        client.PushTaskOutput(PushTaskOutputRequest(sub_status=sub_status, details=details))
