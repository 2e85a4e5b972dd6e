import hashlib
import json

import pytest
import torch
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.preprocess import Processing
from FedRTDatasetLib.naming.structures import Structure
from FedRTTrainLib.model import (
    Lineage,
    ModelCard,
    TrainingSummary,
    load_card,
    load_model,
    save_model,
    software_versions,
)
from FedRTTrainLib.network import build_network
from FedRTTrainLib.settings import UNet

NETWORK = UNet(channels=(8, 16), strides=(2,), num_res_units=1)
STRUCTURES = (Structure(name="Bladder", snomed=("89837001", "Bladder"), color=(1, 2, 3)), Structure(name="Rectum"))


@pytest.fixture
def network():
    return build_network(NETWORK, 2)


@pytest.fixture
def folder(tmp_path, network):
    card = ModelCard(
        network=NETWORK,
        structures=STRUCTURES,
        processing=Processing(spacing_mm=(2, 2, 3)),
        patch_size=(16, 16, 16),
        training=TrainingSummary(steps=5, cases=3, labelled_cases={"Bladder": 3, "Rectum": 1}),
        lineage=Lineage(parent="a" * 64, round=2, software=software_versions()),
    )
    save_model(tmp_path / "model", network.state_dict(), card)
    return tmp_path / "model"


def resealed(folder, change):
    """Change the card and put the right hash on it again, as a forger would."""
    values = json.loads((folder / "model.json").read_text())
    change(values)
    values["sha256"] = "0" * 64
    digest = hashlib.sha256(json.dumps(values, indent=2).encode()).hexdigest()
    values["sha256"] = digest
    (folder / "model.json").write_text(json.dumps(values, indent=2))


def test_a_model_comes_back_as_it_was_saved(folder, network):
    loaded, card = load_model(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "weights.safetensors"]
    assert not loaded.training
    assert card.names == ("Bladder", "Rectum")
    assert card.structures == STRUCTURES
    assert card.processing.spacing_mm == (2, 2, 3)
    assert card.lineage.round == 2
    assert {"python", "torch", "monai", "fedrt"} <= set(card.lineage.software)
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), loaded.state_dict().values(), strict=True)
    )
    assert load_card(folder) == card


def test_the_hash_names_the_model(folder, network):
    card = load_card(folder)
    assert save_model(folder, network.state_dict(), card) == card
    network.head.bias.data.add_(1)
    assert save_model(folder, network.state_dict(), card).sha256 != card.sha256


@pytest.mark.parametrize("file", ["model.json", "weights.safetensors"])
def test_any_changed_byte_is_refused(folder, file):
    path = folder / file
    original = path.read_bytes()
    for place in range(0, len(original), max(1, len(original) // 150)):
        changed = bytearray(original)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        with pytest.raises(FedRTError):
            load_model(folder)
    path.write_bytes(original)
    load_model(folder)


def test_the_reason_names_the_file(folder):
    path = folder / "model.json"
    path.write_text(path.read_text().replace('"steps": 5', '"steps": 6'))
    with pytest.raises(FedRTError, match=r"model\.json was changed after it was written"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["network"].update(name="EvilNet"), "unknown name 'EvilNet'; allowed: UNet, SegResNet"),
        (lambda v: v["network"].update(_target_="os.system"), "_target_"),
        (lambda v: v.update(run="$import os"), "never runs code"),
        (lambda v: v["lineage"]["software"].update(torch="$__import__('os')"), "never runs code"),
        (lambda v: v.update(extra=1), "unknown key extra"),
        (lambda v: v.pop("processing"), "processing is missing"),
        (lambda v: v["structures"][0].update(name="../../x"), "structure's name"),
        (lambda v: v["structures"][0].update(name="Rectum"), "same name"),
        (lambda v: v.update(structures=[]), "structures"),
        (lambda v: v.update(version=2), "format version"),
        (lambda v: v.update(format="bundle"), "does not describe a FedRT model"),
        (lambda v: v["network"].update(channels=[8, 32]), "does not fit the network"),
        (lambda v: v["structures"].pop(), "does not fit the network"),
    ],
)
def test_a_card_that_is_sealed_but_not_right_is_refused(folder, change, words):
    resealed(folder, change)
    with pytest.raises(FedRTError) as refusal:
        load_model(folder)
    assert words in str(refusal.value)
    assert "model.json" in str(refusal.value)


def test_folders_that_are_no_model_are_refused(tmp_path, folder):
    with pytest.raises(FedRTError, match=r"holds no model\.json"):
        load_model(tmp_path)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(FedRTError, match="is missing"):
        load_model(folder)


def test_a_folder_that_is_no_model_is_not_overwritten(tmp_path, network):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    card = ModelCard(network=NETWORK, structures=STRUCTURES, processing=Processing())
    with pytest.raises(FedRTError, match="is no model"):
        save_model(tmp_path / "mine", network.state_dict(), card)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
