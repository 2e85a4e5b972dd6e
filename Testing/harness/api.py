"""What exists in 3D Slicer's Python API, for the parts this project uses (`extract.json`, see `make_extract.py`)."""

import dataclasses
import functools
import json
from pathlib import Path


@dataclasses.dataclass(frozen=True, eq=False)
class ApiClass:
    """A Slicer, MRML-widget or CTK class as Python sees it, ancestors other than Qt's included."""

    name: str
    base: str
    """Nearest class of Qt itself, whose members it has as well."""
    members: frozenset[str]
    properties: dict[str, bool]
    """Property -> whether it can be set."""
    signals: frozenset[str]
    slots: frozenset[str]


@functools.cache
def extract() -> dict:
    """The whole document."""
    return json.loads(Path(__file__).with_name("extract.json").read_text(encoding="utf-8"))


@functools.cache
def api_class(name: str) -> ApiClass:
    """One class; raises for a class that the extract does not hold."""
    entry = extract()["classes"].get(name)
    if entry is None:
        raise LookupError(f"{name} is not in extract.json: a typing error, or add it in make_extract.py")
    return ApiClass(
        name, entry["base"], frozenset(entry["members"]), entry["properties"], frozenset(entry["signals"]),
        frozenset(entry["slots"]),
    )  # fmt: skip


def python_names(module: str) -> dict[str, object]:
    """Public names of a Python module of Slicer -> signature, or methods of a class."""
    return extract()["python"][module]
