import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTTrainLib.settings import TrainSettings, parse_settings, preset_names, read_settings


def test_empty_file_gives_the_defaults(tmp_path):
    file = tmp_path / "empty.toml"
    file.write_text("")
    assert read_settings(file) == TrainSettings()


def test_values_from_toml_are_used(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'steps = 7\npatch_size = [16, 32, 32]\n[network]\nname = "SegResNet"\ninit_filters = 8\n'
        "blocks_down = [1, 1]\nblocks_up = [1]\n[augmentation]\nnoise = 0\n"
    )
    settings = read_settings(file)
    assert settings.steps == 7
    assert settings.patch_size == (16, 32, 32)
    assert (settings.network.name, settings.network.init_filters) == ("SegResNet", 8)
    assert settings.augmentation.noise == 0


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_is_valid(preset):
    assert read_settings(preset).steps > 0


def test_presets_include_those_the_documentation_names():
    assert {"quick", "pelvis_demo", "sarcoma_mr"} <= set(preset_names())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stepz": 5}, ["unknown key stepz", "steps", "batch_size", "network"]),
        ({"augmentation": {"flips": 1}}, ["augmentation.flips", "flip", "rotate_degrees"]),
        ({"network": {"name": "EvilNet"}}, ["'EvilNet'", "UNet", "SegResNet"]),
        ({"network": {"name": "UNet", "chanels": [8]}}, ["network.chanels", "channels", "strides"]),
        ({"network": {"channels": [8, 16]}}, ["network.name is missing"]),
        ({"network": {"name": "UNet", "_target_": "os.system"}}, ["_target_", "never runs code"]),
        ({"_target_": "os.system"}, ["_target_", "never runs code"]),
        ({"precision": "$import os"}, ["precision", "never runs code"]),
        ({"network": {"name": "UNet", "channels": ["$print(1)", 2]}}, ["channels", "never runs code"]),
        ({"$ref": 1}, ["$ref", "never runs code"]),
        ({"precision": "fp8"}, ["precision", "bf16", "fp32"]),
        ({"optimizer": {"name": "SGD"}}, ["optimizer.name", "AdamW"]),
        ({"optimizer": {"learning_rate": float("nan")}}, ["optimizer.learning_rate"]),
        ({"steps": 0}, ["steps"]),
        ({"network": {"name": "UNet", "channels": [8, 16], "strides": [2, 2]}}, ["strides needs 1"]),
        ({"network": {"name": "UNet", "channels": [10**9, 16], "strides": [2]}}, ["network.channels.0"]),
        ({"patch_size": [20, 32, 32]}, ["patch_size must be a multiple of [8, 8, 8]"]),
    ],
)
def test_what_is_not_allowed_is_refused_with_what_is(values, words):
    with pytest.raises(FedRTError) as refusal:
        parse_settings(values, "mine.toml")
    message = str(refusal.value)
    assert message.startswith("mine.toml: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_unknown_file_names_the_presets():
    with pytest.raises(FedRTError, match="quick"):
        read_settings("no_such_preset")


def test_broken_toml_is_refused(tmp_path):
    file = tmp_path / "broken.toml"
    file.write_text("steps = = 3")
    with pytest.raises(FedRTError, match=r"broken\.toml is not valid TOML"):
        read_settings(file)


def test_settings_survive_json():
    settings = parse_settings({"network": {"name": "UNet", "strides": [[1, 2, 2], 2]}, "patch_size": [16, 32, 32]}, "x")
    assert parse_settings(settings.model_dump(mode="json"), "x") == settings
