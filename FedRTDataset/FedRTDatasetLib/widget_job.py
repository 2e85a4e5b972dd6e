"""The part of a module's panel that runs a job: progress, messages, a button that stops it. Shared by all rooms."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from .errors import FedRTError
from .job import Job

POLL_MILLISECONDS = 100


class JobPanel:
    """One job at a time: its progress, what it tells, and a button that stops it with everything it started."""

    def __init__(self, layout) -> None:
        self._job: Job | None = None
        self._finished: Callable[[bool], None] | None = None
        self._watch: Callable[[dict[str, Any]], None] | None = None
        self.on_busy_changed: Callable[[bool], None] = lambda busy: None
        self.status = qt.QLabel(_("Ready."))
        self.status.wordWrap = True
        self.status.setTextFormat(qt.Qt.PlainText)  # some of what is shown was written at another hospital
        self.bar = qt.QProgressBar()
        self.stop_button = qt.QPushButton(_("Stop"))
        self.stop_button.toolTip = _(
            "Stop the job in an orderly way; it can be started again. Press again to stop it at once."
        )
        self.stop_button.enabled = False
        self.log = qt.QPlainTextEdit()
        self.log.readOnly = True
        self.log.maximumBlockCount = 1000
        row = qt.QHBoxLayout()
        row.addWidget(self.bar)
        row.addWidget(self.stop_button)
        layout.addWidget(self.status)
        layout.addLayout(row)
        layout.addWidget(self.log)
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.connect("timeout()", self._poll)
        self.stop_button.connect("clicked()", self.stop)

    @property
    def busy(self) -> bool:
        return self._job is not None

    def start(self, module: str, command: list[str | Path], finished=None, watch=None) -> None:
        """Start `python -m MODULE COMMAND`. `finished(success)` is called at its end, `watch(event)` for each event."""
        if self.busy:
            raise FedRTError("A job is running already; wait for its end or stop it.")
        self._finished, self._watch = finished, watch
        self._job = Job(module, command)
        self.log.clear()
        self.status.text = _("Running...")
        self.bar.setRange(0, 0)
        self._set_busy(True)
        self._timer.start()

    def stop(self) -> None:
        """Ask the job to end; asked again, kill it."""
        if self._job is None:
            return
        if self._job.cancelled:
            self._job.kill()
        else:
            self._job.cancel()
            self.status.text = _("Stopping...")

    def fail(self, text: str) -> None:
        """Say why something did not work."""
        self.status.text = text

    def close(self) -> None:
        """End a running job; what it saved so far stays, so it can be started again."""
        self._timer.stop()
        if self._job is not None:
            self._job.cancel()
            self._job.wait(5)
            self._job.close()
            self._job = None

    def _set_busy(self, busy: bool) -> None:
        self.stop_button.enabled = busy
        self.on_busy_changed(busy)

    def _poll(self) -> None:
        if self._job is None:
            return
        for event in self._job.poll():
            self._show(event)
            self._tell_watcher(event)
        if not self._job.running:
            self._end()

    def _tell_watcher(self, event: dict[str, Any]) -> None:
        """A watcher that fails must not cost the events that came with this one."""
        try:
            if self._watch is not None:
                self._watch(event)
        except Exception:
            logging.exception("An event of the job could not be shown")

    def _show(self, event: dict[str, Any]) -> None:
        kind, text = event["event"], str(event.get("text", ""))
        if kind == "progress":
            done, of = int(event.get("done", 0)), int(event.get("of", 0))
            self.bar.setRange(0, of)
            self.bar.value = done
            if not self._job.cancelled:
                self.status.text = f"{event.get('stage', '')}: {done} / {of}"
        elif kind == "warning":
            self.log.appendPlainText(_("Warning: ") + text)
        elif text and kind != "failed":
            self.log.appendPlainText(text)

    def _end(self) -> None:
        """The order matters: the panel must be free again before `finished`, which may start the next job."""
        job, finished = self._job, self._finished
        self._timer.stop()
        self._job = None
        succeeded = job.exit_code == 0
        self.bar.setRange(0, 1)
        self.bar.value = int(succeeded and not job.cancelled)
        self.status.text = self._outcome(job)
        if not succeeded and not job.cancelled:
            self.log.appendPlainText("\n".join(job.last_lines()))
        job.close()
        self._set_busy(False)
        if finished is not None:
            try:
                finished(succeeded)
            except FedRTError as error:
                self.fail(str(error))

    @staticmethod
    def _outcome(job: Job) -> str:
        if job.cancelled:
            return _("Stopped. Start again to go on.")
        if job.exit_code == 0:
            return _("Done.")
        return _("Failed: ") + job.failure()
