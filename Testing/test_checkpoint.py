import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from FedRTDatasetLib.errors import FedRTError
from FedRTTrainLib.training import load_checkpoint, save_checkpoint, train_steps
from small_training import small_settings, small_state
from tiny_dataset import write_tiny_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_tiny_dataset(tmp_path_factory.mktemp("checkpoint") / "d")


def everything(state):
    moments = [tensor for kept in state.optimizer.state.values() for tensor in kept.values()]
    return [*state.network.state_dict().values(), *moments]


def equal(first, second):
    pairs = zip(everything(first), everything(second), strict=True)
    return first.step == second.step and all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(dataset, tmp_path, norm):
    network = small_settings().network.model_copy(update={"norm": norm})
    whole = small_state([dataset], tmp_path, network=network, batch_size=2)
    train_steps(whole, 9)
    part = small_state([dataset], tmp_path, network=network, batch_size=2)
    train_steps(part, 4)
    save_checkpoint(part, tmp_path / "checkpoint")
    resumed = small_state([dataset], tmp_path, network=network, batch_size=2)
    assert load_checkpoint(resumed, tmp_path / "checkpoint")
    assert equal(resumed, part)
    train_steps(resumed, 5)
    assert equal(resumed, whole)


def test_only_the_newest_checkpoint_is_kept(dataset, tmp_path):
    state = small_state([dataset], tmp_path)
    for _ in range(3):
        train_steps(state, 1)
        save_checkpoint(state, tmp_path / "checkpoint")
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == ["step-00000003"]


def test_without_a_checkpoint_there_is_nothing_to_load(dataset, tmp_path):
    state = small_state([dataset], tmp_path)
    assert not load_checkpoint(state, tmp_path / "nowhere")
    assert state.step == 0


def test_what_a_killed_save_left_behind_is_passed_over(dataset, tmp_path):
    state = small_state([dataset], tmp_path)
    train_steps(state, 1)
    kept = save_checkpoint(state, tmp_path / "checkpoint")
    torn = tmp_path / "checkpoint" / ".x.partial"
    torn.mkdir()
    (torn / "tensors.safetensors").write_bytes(b"half")
    resumed = small_state([dataset], tmp_path)
    assert load_checkpoint(resumed, tmp_path / "checkpoint")
    assert equal(resumed, state)
    save_checkpoint(resumed, tmp_path / "checkpoint")
    assert list((tmp_path / "checkpoint").iterdir()) == [kept]


def test_a_full_disk_leaves_the_previous_checkpoint(dataset, tmp_path, monkeypatch):
    state = small_state([dataset], tmp_path)
    train_steps(state, 1)
    save_checkpoint(state, tmp_path / "checkpoint")
    train_steps(state, 1)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        with pytest.raises(FedRTError, match=r"No space left on device.*previous one is intact"):
            save_checkpoint(state, tmp_path / "checkpoint")
    resumed = small_state([dataset], tmp_path)
    assert load_checkpoint(resumed, tmp_path / "checkpoint")
    assert resumed.step == 1


def test_a_checkpoint_of_another_training_is_refused(dataset, tmp_path):
    state = small_state([dataset], tmp_path)
    train_steps(state, 1)
    save_checkpoint(state, tmp_path / "checkpoint")
    with pytest.raises(FedRTError, match=r"other settings \(seed\)"):
        load_checkpoint(small_state([dataset], tmp_path, seed=5), tmp_path / "checkpoint")
    other = write_tiny_dataset(tmp_path / "other", organs=("Bladder", "Rectum"))
    with pytest.raises(FedRTError, match="other structures"):
        load_checkpoint(small_state([other], tmp_path), tmp_path / "checkpoint")


@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_refused(dataset, tmp_path, file):
    state = small_state([dataset], tmp_path)
    train_steps(state, 1)
    damaged = save_checkpoint(state, tmp_path / "checkpoint") / file
    damaged.write_bytes(damaged.read_bytes()[:40])
    with pytest.raises(FedRTError, match="is damaged"):
        load_checkpoint(small_state([dataset], tmp_path), tmp_path / "checkpoint")


ENDLESS = """
import sys
from pathlib import Path
from FedRTDatasetLib.storage.dataset import Dataset
from FedRTTrainLib.training import load_checkpoint, save_checkpoint, train_steps
from small_training import small_state
folder = Path(sys.argv[1])
state = small_state([Dataset.open(folder / "d")], folder, steps=100000)
load_checkpoint(state, folder / "checkpoint")
while True:
    train_steps(state, 1)
    save_checkpoint(state, folder / "checkpoint")
    print(state.step, flush=True)
"""


def test_kill_9_at_any_moment_leaves_a_checkpoint_to_go_on_from(tmp_path):
    dataset = write_tiny_dataset(tmp_path / "d")
    chance = random.Random(0)
    reached = 0
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(tmp_path)], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True
        )
        try:
            told = int(process.stdout.readline())
            assert told == reached + 1  # it went on from where the killed one was
            time.sleep(chance.uniform(0.05, 0.4))
        finally:
            process.send_signal(signal.SIGKILL)
            told = max([told, *(int(line) for line in process.stdout.read().split() if line)])
            process.wait()
        resumed = small_state([dataset], tmp_path, steps=100_000)
        assert load_checkpoint(resumed, tmp_path / "checkpoint")
        assert resumed.step in (told, told + 1)
        reached = resumed.step
    uninterrupted = small_state([dataset], tmp_path, steps=100_000)
    train_steps(uninterrupted, reached)
    assert equal(resumed, uninterrupted)
