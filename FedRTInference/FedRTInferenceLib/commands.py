"""FedRT commands as child processes, several at once, with their progress and warnings passed on."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.job import Job
from FedRTDatasetLib.reporting import Reporter


@dataclass(frozen=True)
class Command:
    """`label` names it to the reader; `module` and `arguments` are what runs (`python -m module arguments`)."""

    label: str
    module: str
    arguments: list = field(default_factory=list)


class Running:
    """A started command; `follow` passes on what it told since the last call."""

    def __init__(self, command: Command, report: Reporter) -> None:
        self.command = command
        self._report = report
        self.job = Job(command.module, [str(argument) for argument in command.arguments])

    def follow(self) -> list[dict]:
        """Pass on progress and warnings; returns all events. Raises FedRTError where the command failed."""
        events = self.job.poll()
        for event in events:
            if event["event"] == "progress":
                self._report.progress(f"{self.command.label}: {event['stage']}", event["done"], event["of"])
            elif event["event"] in ("warning", "info"):
                tell = self._report.warning if event["event"] == "warning" else self._report.info
                tell(f"{self.command.label}: {event['text']}")
        if not self.job.running and self.job.exit_code != 0:
            raise FedRTError(f"{self.command.label} failed: {self.job.failure() or self._last_words()}")
        return events

    def _last_words(self) -> str:
        return " ".join(self.job.last_lines(3)) or "it gave no reason"

    def close(self) -> None:
        """Let the command end in good order if it still runs (it saves its state), else clean up."""
        self.job.cancel()
        self.job.wait(30)
        self.job.close()


def run_all(commands: Iterable[Command], at_once: int, report: Reporter) -> None:
    """Run commands, `at_once` side by side, to their end.

    Raises FedRTError for the first that fails; the others are then told to stop, as they are on KeyboardInterrupt.
    """
    waiting = deque(commands)
    running: list[Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(Running(waiting.popleft(), report))
            for one in list(running):
                one.follow()
                if not one.job.running:
                    one.follow()
                    one.close()
                    running.remove(one)
            time.sleep(0.05)
    finally:
        for one in running:
            one.job.cancel()
        for one in running:
            one.close()
