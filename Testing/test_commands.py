"""Child processes of a comparison: progress passed on, failures told, nothing left behind."""

import os
import time

import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.reporting import Reporter
from FedRTInferenceLib.commands import Command, Running, run_all


class Recorder(Reporter):
    def __init__(self):
        self.events = []

    def event(self, name, **fields):
        self.events.append((name, fields))


def test_progress_of_several_commands_carries_their_labels(tmp_path):
    report = Recorder()
    commands = [
        Command(f"phantom {n}", "FedRTDatasetLib", ["phantom", tmp_path / str(n), "--patients", 1]) for n in range(2)
    ]
    run_all(commands, 2, report)
    stages = {fields["stage"] for name, fields in report.events if name == "progress"}
    assert stages == {"phantom 0: phantom", "phantom 1: phantom"}
    assert (tmp_path / "0").is_dir()
    assert (tmp_path / "1").is_dir()


def test_failure_names_the_command_and_its_reason_and_stops_the_others(tmp_path):
    slow = Command("slow", "FedRTDatasetLib", ["phantom", tmp_path / "p", "--patients", 500])
    bad = Command("index", "FedRTDatasetLib", ["dataset", "index", tmp_path / "absent"])
    before = _children()
    with pytest.raises(FedRTError, match=r"index failed: .*absent does not exist"):
        run_all([slow, bad], 2, Reporter())
    assert _children() == before


def test_close_ends_a_running_command(tmp_path):
    running = Running(Command("slow", "FedRTDatasetLib", ["phantom", tmp_path / "p", "--patients", 500]), Reporter())
    while not any(event["event"] == "progress" for event in running.follow()):
        time.sleep(0.05)
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(running.job.pid, 0)


def _children() -> set[str]:
    """Process ids of our living children."""
    own = str(os.getpid())
    found = set()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[1] == own and fields[0] != "Z":
            found.add(entry)
    return found
