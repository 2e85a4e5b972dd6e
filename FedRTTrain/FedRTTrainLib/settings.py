"""Training settings: what may be chosen, with which defaults, read from TOML.

Every name comes from an allow-list and every key is known, because settings also arrive from a federation's
coordinator: nothing in them can name code to import or an expression to evaluate. Sizes are (z, y, x).
"""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from FedRTDatasetLib.errors import FedRTError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from .refusals import describe, refuse_code

Size = Annotated[int, Field(ge=1, le=4096)]
Channels = Annotated[int, Field(ge=1, le=1024)]
Step = Annotated[int, Field(ge=1, le=4)]
Stride = Step | tuple[Step, Step, Step]
Fold = Annotated[int, Field(ge=1, le=4)]
Blocks = Annotated[int, Field(ge=1, le=8)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    """A record whose keys are all known and whose numbers are all finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class UNet(Frozen):
    """MONAI's `UNet` under a read-out with one row of weights for each structure.

    `strides` has one entry fewer than `channels`; an entry is one number or one for each of (z, y, x).
    """

    name: Literal["UNet"] = "UNet"
    channels: Annotated[tuple[Channels, ...], Field(min_length=2, max_length=8)] = (32, 64, 128)
    strides: tuple[Stride, ...] = (2, 2)
    num_res_units: Annotated[int, Field(ge=0, le=4)] = 2
    features: Channels = 32
    """Channels from which the structures are read."""
    fold: tuple[Fold, Fold, Fold] = (2, 2, 2)
    """Block (z, y, x) of voxels that the network treats as one with so many channels; (1, 1, 1) for plain voxels."""
    norm: Literal["instance", "batch", "group"] = "instance"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _strides_fit(self) -> "UNet":
        if len(self.strides) != len(self.channels) - 1:
            raise ValueError(f"strides needs {len(self.channels) - 1} entries, one fewer than channels")
        if self.norm == "group" and any(count % 8 for count in (*self.channels, self.features)):
            raise ValueError('norm = "group" needs channels and features that are multiples of 8')
        return self

    def divisor(self) -> tuple[int, int, int]:
        """What each side (z, y, x) of an input has to be divisible by."""
        divisor = list(self.fold)
        for stride in self.strides:
            for axis in range(3):
                divisor[axis] *= stride[axis] if isinstance(stride, tuple) else stride
        return tuple(divisor)


class SegResNet(Frozen):
    """MONAI's `SegResNet`: residual encoder, light decoder; each level after the first halves the resolution."""

    name: Literal["SegResNet"] = "SegResNet"
    init_filters: Annotated[int, Field(ge=8, le=256, multiple_of=8)] = 16
    blocks_down: Annotated[tuple[Blocks, ...], Field(min_length=2, max_length=6)] = (1, 2, 2, 4)
    blocks_up: tuple[Blocks, ...] = (1, 1, 1)
    norm: Literal["instance", "batch", "group"] = "group"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _blocks_fit(self) -> "SegResNet":
        if len(self.blocks_up) != len(self.blocks_down) - 1:
            raise ValueError(f"blocks_up needs {len(self.blocks_down) - 1} entries, one fewer than blocks_down")
        return self

    def divisor(self) -> tuple[int, int, int]:
        """What each side (z, y, x) of an input has to be divisible by."""
        return (2 ** len(self.blocks_up),) * 3


Network = Annotated[UNet | SegResNet, Field(discriminator="name")]
"""The allow-list of networks, told apart by `name`."""


class Augmentation(Frozen):
    """Strengths of the random changes; 0 switches one off. `probability` is each change's own chance in a patch."""

    probability: Fraction = 0.7
    flip: tuple[bool, bool, bool] = (False, False, False)
    """Mirroring allowed along (z, y, x). Off: a mirrored patient has the left organ's name on the right one."""
    rotate_degrees: tuple[float, float, float] = (3.0, 3.0, 8.0)
    """Largest rotation about the (x, y, z) axis of the patient; the last turns the axial slices."""
    scale: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Largest relative enlargement or shrinking."""
    translate_mm: Annotated[float, Field(ge=0, le=200)] = 10.0
    intensity_shift: Annotated[float, Field(ge=0, le=2)] = 0.1
    """Largest shift, in standard deviations of the patch."""
    intensity_scale: Annotated[float, Field(ge=0, le=0.9)] = 0.15
    gamma: Annotated[float, Field(ge=0, le=2)] = 0.3
    """Largest absolute logarithm of the gamma exponent."""
    noise: Annotated[float, Field(ge=0, le=2)] = 0.1
    """Largest standard deviation of added white noise, in standard deviations of the patch."""
    blur: Annotated[float, Field(ge=0, le=3)] = 0.7
    """Largest standard deviation of the Gaussian smoothing, in voxels."""


class Loss(Frozen):
    """Soft Dice plus binary cross-entropy over the labelled structures."""

    name: Literal["DiceBCE"] = "DiceBCE"
    dice: Annotated[float, Field(ge=0, le=10)] = 1.0
    bce: Annotated[float, Field(ge=0, le=10)] = 1.0


class Optimizer(Frozen):
    """AdamW with one cycle of the learning rate over all steps."""

    name: Literal["AdamW"] = "AdamW"
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 6e-3
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-4
    warmup_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.08
    clip_norm: Annotated[float, Field(gt=0, le=1e6)] = 12.0


class TrainSettings(Frozen):
    """Everything that decides a training apart from its data. The defaults suit a small CT problem on a CPU."""

    steps: Annotated[int, Field(ge=1, le=10_000_000)] = 600
    validation_every: Annotated[int, Field(ge=1)] = 200
    """Validate and write a checkpoint after this many steps."""
    batch_size: Annotated[int, Field(ge=1, le=256)] = 2
    """On a processor a batch of 1 is slow: torch takes its fast convolutions from 2 on."""
    patch_size: Literal["whole"] | tuple[Size, Size, Size] = (32, 64, 64)
    """(z, y, x) voxels, or "whole" for the whole image."""
    foreground_fraction: Fraction = 0.8
    """Share of the patches that are centred on a structure (drawn evenly over the structures)."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """"auto" times both on this machine and takes the faster one."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Processor threads of one training; 0 for all."""
    network: Network = UNet()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    augmentation: Augmentation = Augmentation()

    @model_validator(mode="after")
    def _patch_fits_network(self) -> "TrainSettings":
        divisor = self.network.divisor()
        if self.patch_size != "whole" and any(size % d for size, d in zip(self.patch_size, divisor, strict=True)):
            raise ValueError(f"patch_size must be a multiple of {list(divisor)} for this network")
        if self.patch_size == divisor:
            raise ValueError(f"patch_size must be larger than {list(divisor)} for this network")
        return self


def parse_settings(values: dict[str, Any], source: str) -> TrainSettings:
    """Settings from plain values; `source` names them in the error. Raises FedRTError for anything not allowed."""
    return parse(TrainSettings, values, source)


def parse(kind: Any, values: Any, source: str) -> Any:
    """Validate plain JSON or TOML values as `kind`; raises FedRTError that says what is allowed."""
    refuse_code(values, source)
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise FedRTError(describe(error, kind, source)) from None


def read_settings(config: str | Path) -> TrainSettings:
    """Settings from a TOML file, or from the shipped preset of that name."""
    path = Path(config)
    if not path.is_file():
        if str(config) not in preset_names():
            raise FedRTError(f"{config}: no such file; give a TOML file or a preset: {', '.join(preset_names())}")
        path = _preset_folder() / f"{config}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FedRTError(f"{config} is not valid TOML ({error}); correct it there") from None
    return parse_settings(values, str(config))


def preset_names() -> tuple[str, ...]:
    """Names of the shipped presets."""
    files = (entry.name for entry in _preset_folder().iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml")))


def _preset_folder():
    return resources.files(__package__) / "presets"
