"""Settings of a training that takes milliseconds a step, and a state for it, shared by several tests."""

from FedRTTrainLib.settings import TrainSettings, UNet
from FedRTTrainLib.training import new_state


def small_settings(**changes):
    values = {
        "steps": 12,
        "validation_every": 4,
        "precision": "fp32",
        "device": "cpu",
        "threads": 1,
        "patch_size": "whole",
        "network": UNet(channels=(8, 16), strides=(2,), num_res_units=1, features=8, dropout=0.1),
    }
    return TrainSettings(**{**values, **changes})


def small_state(datasets, folder, **changes):
    return new_state(small_settings(**changes), datasets, cache_dir=folder / "cache")
