"""`fedrt federation join`: a site in the foreground.

Starts the SuperNode as a child and is itself the executor: a long-lived process that has torch and MONAI loaded once,
keeps the training state between rounds, and answers the coordinator's messages with installed code only. The SuperNode
is started again when it loses the coordinator; the site stays until it is interrupted or refused.

    WORK/flower, WORK/supernode.log   Flower's own
    WORK/runs/<run>/                  the task's checkpoints: a site that is started again goes on from there
    WORK/log.jsonl                    what was asked and answered, for the site's own people
"""

import contextlib
import math
import re
import secrets
import shutil
import time
import traceback
from pathlib import Path
from typing import Any

from FedRTDatasetLib import __version__
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.reporting import Reporter

from . import bundle, environment, kit, messages, pace, runlog, task
from .messages import Invitation, MessageError, Presence, TrainAnswer, TrainRequest
from .process import Child

_CLAIM_SECONDS = 0.1
_RESTART_SECONDS = 2.0
_TELL_SECONDS = 0.25
_PATH = re.compile(r"(?<![\w.)])(?:[A-Za-z]:)?[/\\]+[^\s:;,()]+")
_START_SECONDS = 90.0


def join(kit_file: Path | str, dataset: Path | None, work: Path | None, report: Reporter, threads: int = 0) -> None:
    """Take part until interrupted, with `threads` processor threads (0: as the federation's settings say).

    Raises FedRTError if the coordinator refuses this site.
    """
    own = kit.load(kit_file)
    work = work or Path(kit_file).with_suffix(".work")
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    environment.prepare(work / "flower")
    environment.quieten()
    pace.quicken_site_executor()
    site = _Site(own, task.SiteOptions(dataset, work / "cache", threads), work, report)
    while True:
        site.stay_connected()
        report.warning("The connection to the coordinator was lost; connecting again.")
        time.sleep(_RESTART_SECONDS)


class AppRefusedError(Exception):
    """The run's app bundle is not one that the kit allows; the text names it."""


class _StopError(Exception):
    """The run that is being worked for has ended at the coordinator."""


class _Site:
    def __init__(self, own: kit.Kit, options: task.SiteOptions, work: Path, report: Reporter) -> None:
        self._kit = own
        self._options = options
        self._work = work
        self._report = report
        self._task: task.SiteTask | None = None
        self._task_key: tuple | None = None

    def stay_connected(self) -> None:
        """Run a SuperNode and work for it; returns when it ends. Raises FedRTError when the site is refused."""
        from flwr.supercore.constant import TaskType

        from .executor import Executor

        secret = secrets.token_hex(32)
        manifest = self._kit.manifest
        argument = {
            "work": str(self._work), "address": manifest.address, "site": manifest.site,
            "authority": self._kit.authority.decode(), "private_key": self._kit.private_key.decode(),
            "allowed_apps": manifest.allowed_apps, "executor_secret": secret,
        }  # fmt: skip
        child = Child("supernode", argument, self._work / "supernode.log")
        executor = None
        try:
            executor = Executor(self._runtime_address(child), secret, TaskType.CLIENT_APP)
            self._serve(child, executor)
        finally:
            if executor is not None:
                executor.close()
            child.stop()

    def _runtime_address(self, child: Child) -> str:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and child.exit_code() is None:
            message = child.message(timeout=0.2)
            if message and message["event"] == "ready":
                return message["address"]
        raise FedRTError(f"The site's Flower process did not start; see {self._work / 'supernode.log'}.")

    def _serve(self, child: Child, executor) -> None:
        import httpx

        while child.exit_code() is None:
            self._relay(child)
            try:
                claim = executor.claim()
            except httpx.HTTPError:
                claim = None  # the SuperNode is ending
            if claim is None:
                time.sleep(_CLAIM_SECONDS)
            else:
                self._work_on(claim, executor)
        self._relay(child)

    def _relay(self, child: Child) -> None:
        while (message := child.message()) is not None:
            if message["event"] == "refused":
                raise FedRTError(message["text"])
            if message["event"] == "connected":
                manifest = self._kit.manifest
                self._report.event("joined", site=manifest.site, federation=manifest.federation_name)
                self._report.info(f"Site {manifest.site} is connected to federation {manifest.federation_name}.")
            elif message["event"] in ("warning", "app_refused"):
                self._log(message["event"], text=message["text"])
                self._report.warning(message["text"])

    def _work_on(self, claim, executor) -> None:
        """Answer one message. Whatever goes wrong becomes an answer; only an interrupt passes through."""
        import httpx
        from flwr.common.constant import SubStatus
        from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

        with executor.working(claim) as client:
            try:
                message, context, run, _ = pull_task_input(client)  # the bundle in it is neither kept nor opened
                push_message(client, self._reply(message, run.fab_hash, claim), context)
                push_task_output(client, context, SubStatus.COMPLETED, "")
            except _StopError:
                self._log("abandoned")
                push_task_output(client, None, SubStatus.STOPPED, "the run ended")
            except (httpx.HTTPError, RuntimeError) as error:
                self._log("lost", text=type(error).__name__)
                self._report.warning(f"An answer could not be handed to Flower ({type(error).__name__}).")
                push_task_output(client, None, SubStatus.FAILED, "not answered")

    def _reply(self, message, app: str, claim):
        """The reply to a message: an answer, or an error where the message itself is not acceptable."""
        from flwr.app import Message
        from flwr.app.error import Error
        from flwr.common.constant import ErrorCode

        try:
            check_app(app, self._kit.manifest)
            return Message(self._answer(message, claim), reply_to=message)
        except AppRefusedError as refusal:
            error = Error(ErrorCode.INVALID_FAB, str(refusal))
        except MessageError as refusal:
            error = Error(ErrorCode.UNKNOWN, messages.shorten(str(refusal)))
        self._log("refused", text=error.reason)
        self._report.warning(f"Refused a message of the coordinator: {error.reason}.")
        return Message(error, reply_to=message)

    def _answer(self, message, claim):
        """The content of the answer to a message."""
        kind = message.metadata.message_type
        if kind == messages.QUERY:
            return messages.answer(self._present(messages.read_request(message.content, Invitation)))
        if kind == messages.TRAIN:
            return self._train(messages.read_request(message.content, TrainRequest), message, claim)
        raise MessageError("the kind of message is unknown")

    def _present(self, invitation: Invitation) -> Presence:
        try:
            room = self._open(invitation.run, invitation.task, invitation.requirements)
            counts, properties = room.labelled_cases(), room.properties()
        except FedRTError as error:
            self._report.warning(f"This site cannot take part in {invitation.run}: {error}")
            self._log("declined", run=invitation.run, text=str(error))
            return Presence(reason=self._told(error), fedrt=__version__)
        self._log("invited", run=invitation.run, task=invitation.task, cases=counts.total)
        return Presence(cases=counts.total, by_structure=counts.by_structure, properties=properties, fedrt=__version__)

    def _train(self, request: TrainRequest, message, claim):
        started = time.monotonic()
        told = 0.0

        def report(done: int, of: int) -> None:
            if claim.lost.is_set():
                raise _StopError
            nonlocal told
            if done == of or time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                self._report.progress(f"round {request.round} of {request.rounds}", done, of)

        try:
            weights = messages.read_weights(message.content)
            room = self._open(request.run, request.task, request.requirements)
            updated, metrics = room.train(weights, request.round, request.steps, report)
        except (_StopError, MessageError):
            raise
        except Exception as error:
            return messages.answer(TrainAnswer(status="failed", reason=self._failed(request, error)))
        seconds = time.monotonic() - started
        metrics = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        figures = {"steps": request.steps, "seconds": round(seconds, 3), "metrics": metrics}
        self._log("trained", run=request.run, round=request.round, **figures)
        return messages.answer(TrainAnswer(status="trained", **figures), updated)

    def _failed(self, request: TrainRequest, error: Exception) -> str:
        """Log a failed round and return what may be told: an unforeseen error's text stays here."""
        known = isinstance(error, FedRTError)
        if not known:
            traceback.print_exception(error)
        text = str(error).rstrip(".") if known else f"unexpected {type(error).__name__}"
        self._report.warning(f"Round {request.round} failed here: {text}.")
        self._log("failed", run=request.run, round=request.round, text=text)
        return self._told(error) if known else f"{text} at the site"

    def _open(self, run: str, name: str, requirements: dict[str, Any]) -> task.SiteTask:
        """The task for this run: kept between rounds, opened again after a restart or for another run."""
        key = (run, name, repr(sorted(requirements.items())))
        if self._task is None or key != self._task_key:
            self._task = None  # free the old one before the new one is built
            work = self._work / "runs" / run
            work.mkdir(parents=True, exist_ok=True)
            self._task, self._task_key = task.open_site_task(name, requirements, self._options, work), key
            for older in work.parent.iterdir():
                if older != work:
                    shutil.rmtree(older, ignore_errors=True)
        return self._task

    def _told(self, error: FedRTError) -> str:
        private = [self._work, self._options.cache, *filter(None, [self._options.dataset])]
        return for_others(str(error), private)

    def _log(self, event: str, **fields: Any) -> None:
        with contextlib.suppress(OSError):
            runlog.append(self._work / "log.jsonl", event=event, **fields)


def for_others(text: str, private: list[Path]) -> str:
    """A site's error text without paths: where a hospital keeps its data is nobody else's business.

    `private` are paths to leave out whatever they look like; what else looks like an absolute path goes, too.
    """
    for path in sorted({*map(str, private), *(str(path.resolve()) for path in private)}, key=len, reverse=True):
        text = text.replace(path, "(a path)")
    return messages.shorten(_PATH.sub("(a path)", text).rstrip("."))


def check_app(app: str, manifest: kit.Manifest) -> None:
    """Raise AppRefusedError unless `app`, the SHA-256 of a run's bundle, is allowed by the kit and the one installed here."""
    if app not in manifest.allowed_apps or app != bundle.sha256():
        raise AppRefusedError(f"app {app[:12]} is not in this site's kit")
