"""Files are read once: new, changed and removed ones, interrupted runs, several processes, two runs at a time."""

import json
import os
import signal
import stat
import subprocess
import sys
import time

import pytest
from dicom_maker import make_patient, make_series
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index import pool as index_pool
from FedRTDatasetLib.index import scan as index_scan
from FedRTDatasetLib.index.dicom_index import index_files, index_folders
from FedRTDatasetLib.reporting import Reporter


def small(folder, patient="MRN-1", slices=4):
    return make_patient(folder, patient, slices=slices, rows=4, columns=4, contoured=range(1, 3))


def contents(index):
    """All that an index says, to compare two of them."""
    series = {
        uid: (one.patient_id, one.count, sorted(map(str, one.files.values())), one.modality)
        for uid, one in index.series.items()
    }
    return series, dict(index.structure_sets), index.links, index.problems


def test_only_what_is_new_or_changed_is_read(tmp_path):
    source, store = tmp_path / "in", tmp_path / "index.sqlite"
    series = [small(source / f"p{n}", f"MRN-{n}") for n in range(20)]
    assert index_folders([source], store=store).scanned == index_scan.Scanned(100, 100, 0)
    assert index_folders([source], store=store).scanned == index_scan.Scanned(100, 0, 0)

    small(source / "p20", "MRN-20")
    index = index_folders([source], store=store)
    assert index.scanned == index_scan.Scanned(105, 5, 0)
    assert len(index.series) == len(index.links) == 21

    series[3].files[1].unlink()
    os.utime(series[4].files[0], ns=(1, 1))
    index = index_folders([source], store=store)
    assert index.scanned == index_scan.Scanned(104, 1, 1)
    assert index.series[str(series[3].headers[0].SeriesInstanceUID)].count == 3
    assert contents(index) == contents(index_folders([source]))


def test_what_is_removed_leaves_no_identity_in_the_store(tmp_path):
    source, store = tmp_path / "in", tmp_path / "index.sqlite"
    small(source / "a", "MRN-STAYS")
    gone = small(source / "b", "MRN-LEAVES")
    assert "MRN-LEAVES" in index_folders([source], store=store).identities
    for path in [*gone.files, source / "b" / "structures.dcm"]:
        path.unlink()
    index = index_folders([source], store=store)
    assert "MRN-LEAVES" not in index.identities
    assert len(index.series) == len(index.structure_sets) == 1
    assert index.problems == []


def test_a_folder_and_its_subfolder_hold_each_file_once(tmp_path):
    small(tmp_path / "a")
    index = index_folders([tmp_path, tmp_path / "a", tmp_path / "a" / "slice001.dcm"])
    assert index.scanned.files == 5
    assert index.problems == []


def test_paths_are_as_the_source_was_named(tmp_path, monkeypatch):
    small(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    index = index_folders(["in"], store=tmp_path / "s.sqlite")
    paths = [rt.path for rt in index.structure_sets.values()]
    assert [str(path) for path in paths] == [os.path.join("in", "structures.dcm")]
    index = index_folders([tmp_path / "in"], store=tmp_path / "s.sqlite")
    assert index.scanned.read == 0
    assert next(iter(index.structure_sets.values())).path == tmp_path / "in" / "structures.dcm"


def test_one_store_for_several_sets_of_sources(tmp_path):
    """Each run sees its own files only, and the others' stay known."""
    store = tmp_path / "index.sqlite"
    a, b = small(tmp_path / "a", "MRN-A"), small(tmp_path / "b", "MRN-B")
    assert index_folders([tmp_path / "a"], store=store).scanned.read == 5
    index = index_folders([tmp_path / "b"], store=store)
    assert list(index.series) == [str(b.headers[0].SeriesInstanceUID)]
    assert len(index.structure_sets) == 1
    index = index_folders([tmp_path / "a", tmp_path / "b"], store=store)
    assert index.scanned == index_scan.Scanned(10, 0, 0)
    assert len(index.series) == 2
    index = index_files(a.files, store=store)
    assert index.scanned == index_scan.Scanned(4, 0, 0)
    assert len(index.structure_sets) == 0


def test_files_that_are_gone_are_left_out(tmp_path):
    series = small(tmp_path)
    index = index_files([*series.files[:2], tmp_path / "absent.dcm", tmp_path])
    assert index.scanned.files == 2
    assert len(index_files([]).series) == 0


def test_links_lead_nowhere_twice(tmp_path):
    small(tmp_path / "in" / "a")
    (tmp_path / "in" / "a" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "a")
    (tmp_path / "in" / "broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "in" / "pipe.dcm")
    small(tmp_path / "elsewhere", "MRN-2")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    index = index_folders([tmp_path / "in"])
    assert index.scanned.files == 10
    assert len(index.links) == 2
    assert index.problems == []


def test_names_that_are_no_unicode(tmp_path):
    series = small(tmp_path / "in")
    odd = os.fsencode(tmp_path / "in") + b"/caf\xe9.dcm"
    os.rename(os.fsencode(series.files[0]), odd)
    (tmp_path / "in" / "b\udce9.dcm").write_bytes(b"")
    store = tmp_path / "s.sqlite"
    index = index_folders([tmp_path / "in"], store=store)
    assert odd in [os.fsencode(path) for path in next(iter(index.series.values())).files.values()]
    assert index.problems[0].text.encode()
    assert index_folders([tmp_path / "in"], store=store).scanned.read == 0


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"), reason="root may read everything")
def test_what_may_not_be_read_is_told(tmp_path):
    """In a process that is not root, where we are."""
    for parent in [tmp_path, *tmp_path.parents][:3]:
        parent.chmod(0o755)
    series = small(tmp_path / "in" / "a")
    small(tmp_path / "in" / "closed", "MRN-2")
    series.files[2].chmod(0)
    (tmp_path / "in" / "closed").chmod(0)
    code = (
        "import sys; from FedRTDatasetLib.index.dicom_index import index_folders\n"
        "index = index_folders([sys.argv[1]])\n"
        "print(len(index.series), sorted((p.kind, p.text) for p in index.problems))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "in")]
    if os.geteuid() == 0:
        readable = subprocess.run(
            ["/usr/bin/setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", "import pydicom"]
        )
        if readable.returncode:
            pytest.skip("this Python may be used by root alone")
        command = ["/usr/bin/setpriv", "--reuid=65534", "--clear-groups", *command]
    done = subprocess.run(command, capture_output=True, text=True)
    (tmp_path / "in" / "closed").chmod(0o755)
    assert done.stdout.startswith("1 "), done.stderr
    assert "slice002.dcm may not be read" in done.stdout
    assert "the folder closed may not be opened" in done.stdout


class Progress(Reporter):
    def __init__(self):
        self.seen = []

    def progress(self, stage, done, of):
        self.seen.append((stage, done, of))


def many(folder, series=6, slices=150):
    """Many slices, written as copies of one with other UIDs."""
    made = make_series(folder / "made", offsets=[1000.0], rows=2, columns=2, patient="MRN-00")
    raw = made.files[0].read_bytes()
    made.files[0].unlink()
    uids = [str(made.headers[0][keyword].value).encode() for keyword in ("SOPInstanceUID", "SeriesInstanceUID")]
    for n in range(series):
        (folder / f"s{n}").mkdir()
        own = raw.replace(b"MRN-00", b"MRN-%02d" % n).replace(uids[1], uids[1][:-6] + b"%06d" % (n + 100000))
        for k in range(slices):
            instance = uids[0][:-6] + b"%06d" % (1000 * n + k + 100000)
            position = own.replace(b"\\1020", b"\\%04d" % (1100 + k))
            (folder / f"s{n}" / f"{k:03d}.dcm").write_bytes(position.replace(uids[0], instance))


def test_several_processes_give_what_one_gives(tmp_path, monkeypatch):
    many(tmp_path / "in")
    (tmp_path / "in" / "bad.dcm").write_bytes(b"nothing")
    monkeypatch.setattr(index_pool, "available_processors", lambda: 3)
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(index_pool.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    progress = Progress()
    several = index_folders([tmp_path / "in"], progress)
    assert len(started) == 3
    assert all(worker.poll() is not None for worker in started)
    assert progress.seen[0] == ("index", 0, 901)
    assert progress.seen[-1] == ("index", 901, 901)
    monkeypatch.setattr(index_pool, "available_processors", lambda: 1)
    assert contents(several) == contents(index_folders([tmp_path / "in"]))
    assert len(started) == 3


@pytest.mark.parametrize("what", ["not to be started", "dies", "talks nonsense"])
def test_without_processes_this_one_reads(tmp_path, monkeypatch, what):
    many(tmp_path / "in", series=4)
    monkeypatch.setattr(index_pool, "available_processors", lambda: 2)
    python = {"not to be started": "/nonexistent/python", "dies": "/bin/false", "talks nonsense": "/bin/cat"}[what]
    monkeypatch.setattr(index_pool, "python_executable", lambda: python)
    index = index_folders([tmp_path / "in"])
    assert index.scanned.read == 600
    assert {one.count for one in index.series.values()} == {150}
    assert index.problems == []


def test_a_process_that_is_killed_loses_nothing(tmp_path, monkeypatch):
    many(tmp_path / "in")
    monkeypatch.setattr(index_pool, "available_processors", lambda: 2)
    start = index_pool._start

    def start_and_kill_one(wanted):
        workers = start(wanted)
        workers[0].kill()
        return workers

    monkeypatch.setattr(index_pool, "_start", start_and_kill_one)
    assert sum(one.count for one in index_folders([tmp_path / "in"]).series.values()) == 900


def test_from_a_script_without_main_guard(tmp_path):
    """What starts our processes must not run the caller's program again."""
    many(tmp_path / "in", series=4)
    script = tmp_path / "script.py"
    script.write_text(
        "from FedRTDatasetLib.index import pool as index_pool\nfrom FedRTDatasetLib.index.dicom_index import index_folders\n"
        "index_pool.available_processors = lambda: 2\n"
        f"print('once', len(index_folders([{str(tmp_path / 'in')!r}]).series))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("once 4\n", "")


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    many(tmp_path / "in", series=8)
    store = tmp_path / "index.sqlite"
    monkeypatch.setattr(index_pool, "available_processors", lambda: 1)
    monkeypatch.setattr(index_scan, "ROWS_AT_ONCE", 400)

    class Stops(Reporter):
        def progress(self, stage, done, of):
            if done >= 600:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_folders([tmp_path / "in"], Stops(), store=store)
    index = index_folders([tmp_path / "in"], store=store)
    assert index.scanned == index_scan.Scanned(1200, 600, 0)
    assert sum(one.count for one in index.series.values()) == 1200


def test_a_killed_run_goes_on(tmp_path):
    """Killed without a chance to clean up: what was written down is whole and not read again."""
    many(tmp_path / "in", series=10)
    store = tmp_path / "index.sqlite"
    code = (
        "import sys, os, signal; from FedRTDatasetLib.index import scan as index_scan, pool as index_pool\n"
        "from FedRTDatasetLib.index.dicom_index import index_folders\n"
        "from FedRTDatasetLib.reporting import Reporter\n"
        "index_scan.ROWS_AT_ONCE = 400\n"
        "class Kills(Reporter):\n"
        "    def progress(self, stage, done, of):\n"
        "        if done >= 1000: os.kill(os.getpid(), signal.SIGKILL)\n"
        "index_folders([sys.argv[1]], Kills(), store=sys.argv[2])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "in", store], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    index = index_folders([tmp_path / "in"], store=store)
    assert 0 < index.scanned.read <= 1100
    assert sum(one.count for one in index.series.values()) == 1500


def test_two_runs_at_once(tmp_path):
    many(tmp_path / "in", series=8)
    store = tmp_path / "index.sqlite"
    code = (
        "import sys, json; from FedRTDatasetLib.index.dicom_index import index_folders\n"
        "index = index_folders([sys.argv[1]], store=sys.argv[2])\n"
        "print(json.dumps([index.scanned.files, sorted(one.count for one in index.series.values())]))"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "in", store], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    for run in runs:
        out, error = run.communicate(timeout=120)
        assert json.loads(out or b"null") == [1200, [150] * 8], error
    assert index_folders([tmp_path / "in"], store=store).scanned.read == 0


def test_files_may_change_while_an_index_is_in_use(tmp_path):
    """Another run removes a patient from the store: the first index stays as it was."""
    source, store = tmp_path / "in", tmp_path / "index.sqlite"
    small(source / "a", "MRN-A")
    gone = small(source / "b", "MRN-B")
    first = index_folders([source], store=store)
    for path in gone.files:
        path.unlink()
    assert len(index_folders([source], store=store).series) == 1
    assert {series.patient_id for series in first.series.values()} == {"MRN-A", "MRN-B"}
    assert first.series[str(gone.headers[0].SeriesInstanceUID)].files.keys() == {h.SOPInstanceUID for h in gone.headers}


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    small(tmp_path / "in")
    many(tmp_path / "in", series=2)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
    code = (
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        + limit
        + "import sys; from FedRTDatasetLib.index.dicom_index import index_folders\n"
        "from FedRTDatasetLib.errors import FedRTError\n"
        "try: index_folders([sys.argv[1]], store=sys.argv[2])\n"
        "except FedRTError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "in", tmp_path / "s.sqlite"], capture_output=True, text=True
    )
    assert "cannot be" in done.stdout and "--index" in done.stdout, done
    assert index_folders([tmp_path / "in"], store=tmp_path / "s.sqlite").scanned.files == 305


def test_memory_and_reading_do_not_grow_with_slices(tmp_path):
    """What an index holds on to: nothing for each slice until it is asked for, and then for a few series only."""
    many(tmp_path / "in", series=8, slices=40)
    index = index_folders([tmp_path / "in"])
    assert index.series._loaded == {}
    for series in index.series.values():
        assert len(series.files) == len(series.headers) == 40
    assert len(index.series._loaded) == 4


def test_the_store_is_private(tmp_path):
    small(tmp_path / "in")
    store = tmp_path / "new" / "index.sqlite"
    index = index_folders([tmp_path / "in"], store=store)
    for path in store.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(store.parent.stat().st_mode) == 0o700
    assert index.scanned.read == 5


def test_a_source_that_is_absent_leaves_the_store_alone(tmp_path):
    small(tmp_path / "in")
    store = tmp_path / "s.sqlite"
    index_folders([tmp_path / "in"], store=store)
    with pytest.raises(FedRTError, match="does not exist"):
        index_folders([tmp_path / "in", tmp_path / "absent"], store=store)
    assert index_folders([tmp_path / "in"], store=store).scanned.read == 0


def test_workers_end_with_their_parent(tmp_path):
    many(tmp_path / "in", series=8)
    code = (
        "import sys, time; from FedRTDatasetLib.index import pool as index_pool\n"
        "index_pool.available_processors = lambda: 2\n"
        "workers = index_pool._start(2)\n"
        "print(*[w.pid for w in workers], flush=True)\n"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    parent.wait()
    end = time.monotonic() + 30
    while any(running(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(running(pid) for pid in pids)


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
