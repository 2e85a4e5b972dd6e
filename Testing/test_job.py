"""Jobs are real child processes here: small packages written for the test, and FedRT's own command."""

import os
import sys
import textwrap
import time

import pytest
from FedRTDatasetLib.job import Job, child_environment
from FedRTDatasetLib.process_tree import family


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Makes a package `work` whose `__main__` is the given text; the child finds it through PYTHONPATH."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(text: str) -> str:
        (tmp_path / "work").mkdir()
        (tmp_path / "work" / "__main__.py").write_text(textwrap.dedent(text), encoding="utf-8")
        return "work"

    return write


@pytest.fixture
def start():
    jobs = []

    def start(module, *arguments, **options):
        jobs.append(Job(module, arguments, **options))
        return jobs[-1]

    yield start
    for job in jobs:
        job.close()


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_events_arrive_in_order_while_it_runs(package, start, tmp_path):
    go = tmp_path / "go"
    job = start(package("""
        import json, pathlib, sys, time
        print(json.dumps({"event": "progress", "stage": "läuft", "done": 0, "of": 2}), flush=True)
        while not pathlib.Path(sys.argv[1]).exists():
            time.sleep(0.01)
        print("a library's own words")
        print('{"event": "progress", "stage": "läuft", "done": 2, "of": 2}', end="")
    """), go)  # fmt: skip
    first = []
    until(lambda: first.extend(job.poll()) or first)
    assert first == [{"event": "progress", "stage": "läuft", "done": 0, "of": 2}]
    assert job.running
    go.touch()
    rest = job.wait(20)
    assert [event["event"] for event in rest] == ["output", "progress"]
    assert rest[0]["text"] == "a library's own words"
    assert job.exit_code == 0
    assert job.failure() == ""


def test_half_a_line_is_kept_until_it_is_whole(package, start, tmp_path):
    job = start(package("""
        import pathlib, sys, time
        sys.stdout.write('{"event": "in'); sys.stdout.flush()
        pathlib.Path(sys.argv[1]).touch()
        while not pathlib.Path(sys.argv[2]).exists():
            time.sleep(0.01)
        sys.stdout.write('fo", "text": "whole"}\\n')
    """), tmp_path / "half", tmp_path / "go")  # fmt: skip
    until((tmp_path / "half").exists)
    assert job.poll() == []
    (tmp_path / "go").touch()
    assert job.wait(20) == [{"event": "info", "text": "whole"}]


def test_output_larger_than_a_pipe_never_blocks_an_unread_child(package, start):
    job = start(package("print('x' * 3_000_000)"))
    until(lambda: job._process.poll() is not None)
    assert sum(len(event["text"]) for event in job.poll()) == 3_000_000


def test_a_crash_tells_its_last_lines(package, start):
    job = start(package("raise OSError('the disk is full')"))
    job.wait(20)
    assert job.failure() == "the process ended unexpectedly (exit code 1)"
    assert job.last_lines()[-1] == "OSError: the disk is full"


def test_a_process_killed_by_the_system_says_so(package, start):
    job = start(package("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    job.wait(20)
    assert job.failure() == "the process was killed (signal 9); perhaps the memory ran out"


FAMILY = """
    import pathlib, signal, subprocess, sys, time
    {handler}
    sleeper = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    children = [subprocess.Popen([sys.executable, "-c", sleeper], start_new_session=apart) for apart in (False, True)]
    pathlib.Path(sys.argv[1]).write_text(" ".join(str(child.pid) for child in children))
    time.sleep(600)
"""


def started_family(job, pids):
    until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    members = family(job.pid)
    assert {int(pid) for pid in pids.read_text().split()} | {job.pid} == {member.pid for member in members}
    return members


def test_cancel_ends_grandchildren_too_even_in_their_own_session(package, start, tmp_path):
    job = start(package(FAMILY.format(handler="")), tmp_path / "pids")
    members = started_family(job, tmp_path / "pids")
    job.cancel()
    job.wait(20)
    assert job.failure() == "cancelled"
    until(lambda: not still_running(members))


def test_cancel_kills_what_does_not_listen_once_its_grace_is_over(package, start, tmp_path, monkeypatch):
    monkeypatch.setattr("FedRTDatasetLib.job.GRACE_SECONDS", 0.2)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    job = start(package(FAMILY.format(handler=deaf)), tmp_path / "pids")
    members = started_family(job, tmp_path / "pids")
    job.cancel()
    job.wait(20)
    assert not job.running
    until(lambda: not still_running(members))


def test_a_crash_leaves_no_orphans(package, start, tmp_path):
    job = start(package("""
        import pathlib, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(sys.argv[1]).write_text(str(child.pid))
        sys.exit(3)
    """), tmp_path / "pid")  # fmt: skip
    job.wait(20)
    orphan = int((tmp_path / "pid").read_text())
    until(lambda: not os.path.exists(f"/proc/{orphan}") or orphan not in {m.pid for m in family(orphan)})


def test_close_ends_a_running_job_and_removes_its_folder(package):
    job = Job(package("import time; time.sleep(600)"), [])
    members = family(job.pid)
    job.close()
    assert not still_running(members)
    assert not job.folder.exists()


def test_a_folder_of_ones_own_is_kept(package, start, tmp_path):
    job = start(package("print('kept')"), folder=tmp_path / "log")
    job.wait(20)
    job.close()
    assert (tmp_path / "log" / "output.jsonl").read_text() == "kept\n"


def test_our_own_command_runs_as_a_job(start, tmp_path):
    """An empty source folder is the user's mistake: one sentence, told by the command itself."""
    job = start("FedRTDatasetLib", "dataset", "check", tmp_path / "nothing")
    events = job.wait(60)
    assert job.exit_code == 1
    assert [event["event"] for event in events] == ["failed"]
    assert "nothing" in job.failure()
    assert job.last_lines()[-1].startswith("fedrt: ")


def test_a_command_that_does_not_exist_fails_and_shows_why(start):
    job = start("FedRTDatasetLib", "no-such-command")
    job.wait(60)
    assert job.exit_code == 2
    assert any("invalid choice" in line for line in job.last_lines())


def test_the_child_finds_packages_that_only_sys_path_knows(tmp_path, monkeypatch):
    (tmp_path / "FedRTOtherLib").mkdir()
    (tmp_path / "FedRTOtherLib" / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert child_environment()["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path)


def still_running(members) -> set[int]:
    return {now.pid for member in members for now in family(member.pid) if now == member}
