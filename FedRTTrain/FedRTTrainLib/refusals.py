"""Say in one sentence why a record was refused and what would have been allowed."""

import typing
from collections.abc import Iterator
from typing import Any

from FedRTDatasetLib.errors import FedRTError
from pydantic import BaseModel, ValidationError

REMEDY = "FedRT never runs code from a file, remove it"


def refuse_code(values: Any, source: str, where: str = "") -> None:
    """Raise FedRTError where a key or text has the form of code for a configuration language (`_target_`, `$...`).

    The schema would refuse these too; they are named on their own because they are the sign of a configuration written
    for a tool that executes it.
    """
    if isinstance(values, dict):
        for key, value in values.items():
            if "_target_" in str(key) or str(key).startswith("$"):
                raise FedRTError(f"{source}: {_shown(where + str(key))} names code to run; {REMEDY}")
            refuse_code(value, source, f"{where}{key}.")
    elif isinstance(values, list | tuple):
        for value in values:
            refuse_code(value, source, where)
    elif isinstance(values, str) and (values.lstrip().startswith("$") or "_target_" in values):
        raise FedRTError(f"{source}: {_shown(where.rstrip('.'))} holds an expression; {REMEDY}")


def describe(error: ValidationError, kind: Any, source: str) -> str:
    """One sentence for the first thing wrong in `error`, with the list of what is allowed there."""
    first = error.errors(include_url=False)[0]
    owner, location = _follow(kind, first["loc"])
    where = _shown(".".join(location)) or "the file"
    if first["type"] == "extra_forbidden":
        allowed = f"; allowed here: {', '.join(owner.model_fields)}" if owner else ""
        return f"{source}: unknown key {where}{allowed}"
    if first["type"] == "union_tag_invalid":
        expected = first["ctx"]["expected_tags"].replace("'", "")
        return f"{source}: {where} has unknown name {_shown(repr(first['ctx']['tag']))}; allowed: {expected}"
    if first["type"] in ("missing", "union_tag_not_found"):
        return f"{source}: {where}{'.name' if first['type'] != 'missing' else ''} is missing"
    return f"{source}: {where} is not allowed ({first['msg'].removeprefix('Value error, ')})"


def _follow(kind: Any, location: tuple) -> tuple[type[BaseModel] | None, list[str]]:
    """The innermost record on the way to `location`, and the location without pydantic's names for union branches."""
    owner = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    candidates, shown = [], []
    for part in location:
        branch = next((candidate for candidate in candidates if candidate.__name__ == part), None)
        if branch is not None:
            owner, candidates = branch, []
            continue
        if isinstance(part, str) and any(sign in part for sign in "[]()"):
            continue
        shown.append(str(part))
        field = owner.model_fields.get(part) if owner is not None else None
        candidates = list(_models_in(field.annotation)) if field is not None else []
        if len(candidates) == 1:
            owner = candidates.pop()
    return owner, shown


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)


def _shown(text: str) -> str:
    """Text from a file, short and printable, fit for a message."""
    return "".join(c if c.isprintable() else "?" for c in text)[:80]
