"""Real federation processes for tests: the commands a person would type, on loopback, always ended again."""

import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

COMMAND = [sys.executable, "-m", "FedRTFederationLib", "federation"]

SABOTAGED_SITE = """
import sys
import numpy as np
from FedRTFederationLib import cli, connection_check
from FedRTDatasetLib import commandline
honest = connection_check._Site.train
def train(self, weights, round_number, steps, report):
    updated, metrics = honest(self, weights, round_number, steps, report)
    updated["slope"][0] = np.nan
    return updated, metrics
connection_check._Site.train = train
sys.exit(commandline.run([cli.add_commands]))
"""
"""A site whose task sends a weight that is not a number; everything else in it is as always."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Federation:
    """One federation in a folder with its processes."""

    def __init__(self, folder: Path, *init: str) -> None:
        self.folder = folder
        self.dir = folder / "federation"
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen] = {}
        self.run("init", self.dir, "--name", "test", "--address", f"127.0.0.1:{self.port}", *init)

    def run(self, *arguments, timeout: float = 240) -> subprocess.CompletedProcess:
        """A command in the foreground; its output as text."""
        command = [*COMMAND, *map(str, arguments), "--progress", "json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    def kit(self, site: str) -> Path:
        out = self.folder / f"{site}.zip"
        done = self.run("kit", self.dir, site, "--out", out)
        assert done.returncode == 0, done.stderr
        return out

    def serve(self) -> None:
        self.start("coordinator", [*COMMAND, "serve", str(self.dir), "--progress", "json"])

    def join(self, site: str, *arguments, sabotaged: bool = False) -> None:
        program = [sys.executable, "-c", SABOTAGED_SITE, "federation"] if sabotaged else COMMAND
        kit = self.folder / f"{site}.zip"
        self.start(site, [*program, "join", str(kit), "--progress", "json", *map(str, arguments)])

    def start(self, name: str, command: list[str]) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def wait_for_log(self, name: str, text: str, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while text not in self.log(name):
            assert time.monotonic() < end, f"{name} never said {text!r}: {self.log(name)[-2000:]}"
            time.sleep(0.1)

    def lines(self, run: str, file: str) -> list[dict]:
        path = self.dir / "runs" / run / file
        return [json.loads(line) for line in path.read_text().splitlines()]

    def close(self) -> None:
        """Terminate what still runs, by process id, and wait for it."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def change_kit(kit: Path, **changes) -> None:
    """Rewrite `kit.json` inside a kit."""
    with zipfile.ZipFile(kit) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["kit.json"] = json.dumps({**json.loads(members["kit.json"]), **changes}).encode()
    with zipfile.ZipFile(kit, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def descendants_alive(folder: Path) -> list[str]:
    """Command lines of processes that name `folder`, in their command line or as their working state."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                files = [os.readlink(link) for link in (entry / "fd").iterdir()]
            except OSError:
                continue
            if str(folder) in command or any(file.startswith(str(folder)) for file in files):
                found.append(command)
    return found
