"""What coordinator and sites say to each other, as Flower message content (version: `bundle.PROTOCOL`).

Two questions, each answered by every site:

    query  -> {"request": {"json": …}}                          what the federation requires: `Invitation`
           <- {"answer": {"json": …}}                           `Presence`: what the site has, or why it cannot join
    train  -> {"request": {"json": …}, "model": packed weights} `TrainRequest`
           <- {"answer": {"json": …}, "model": packed weights}  `TrainAnswer`, or without weights a reason

The JSON in the config records is validated on arrival by the models below; unknown keys are refused.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from . import packing
from .packing import Weights
from .task import CaseCounts, Offer

QUERY, TRAIN = "query", "train"
_REASON = 400
"""Longest reason that is taken over from the other side, in characters."""


def printable(text: str) -> str:
    """Text from the other side as it may be shown on a terminal: no control characters, not longer than a reason."""
    return shorten("".join(c if c.isprintable() else "?" for c in text))


Reason = Annotated[str, Field(max_length=_REASON), AfterValidator(printable)]
Name = Annotated[str, Field(max_length=64), AfterValidator(printable)]


class MessageError(ValueError):
    """A message does not hold what it must; the text says what, without quoting it."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Invitation(_Message):
    """The coordinator asks a site to take part in a run."""

    run: str = Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")
    task: str
    requirements: dict[str, Any]


class Presence(_Message):
    """A site's answer: its labelled cases, or the reason why it does not match."""

    reason: Reason | None = None
    cases: int = Field(default=0, ge=0, le=10_000_000)
    by_structure: dict[Name, int] = Field(default_factory=dict, max_length=1000)
    properties: dict[str, Any] = Field(default_factory=dict)
    """Of the dataset, for the task's coordinator side; see `task.Offer`."""
    fedrt: Name = ""
    """Version of FedRT at the site."""

    @property
    def offer(self) -> Offer:
        counts = CaseCounts(self.cases, {name: min(max(n, 0), self.cases) for name, n in self.by_structure.items()})
        return Offer(counts, self.properties)


class TrainRequest(_Message):
    """One round for one site."""

    run: str = Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")
    task: str
    requirements: dict[str, Any]
    """Repeated, so that a site which restarted between rounds can go on."""
    round: int = Field(ge=1)
    rounds: int = Field(ge=1)
    steps: int = Field(ge=1)


class TrainAnswer(_Message):
    """What a site tells about its round, or why it has no update."""

    status: Literal["trained", "failed"]
    reason: Reason | None = None
    steps: int = Field(default=0, ge=0)
    seconds: float = Field(default=0.0, ge=0)
    metrics: dict[Name, float] = Field(default_factory=dict, max_length=64)


def shorten(reason: str) -> str:
    """A reason of a length that a message may carry."""
    return reason if len(reason) <= _REASON else reason[: _REASON - 1] + "…"


def request(content: _Message, weights: Any = None):
    """`flwr.app.RecordDict` of a request; `weights` is a packed `ArrayRecord`."""
    return _record("request", content, weights)


def answer(content: _Message, weights: Weights | None = None):
    """`flwr.app.RecordDict` of an answer."""
    return _record("answer", content, None if weights is None else packing.to_record(weights))


def _record(key: str, content: _Message, weights):
    from flwr.app import ConfigRecord, RecordDict

    record = RecordDict({key: ConfigRecord({"json": content.model_dump_json()})})
    if weights is not None:
        record["model"] = weights
    return record


M = TypeVar("M", bound=_Message)


def read_request(record, model: type[M]) -> M:
    """The request in a message's content. Raises MessageError."""
    return _read(record, "request", model)


def read_answer(record, model: type[M]) -> M:
    """The answer in a message's content. Raises MessageError."""
    return _read(record, "answer", model)


def read_weights(record) -> Weights:
    """The weights in a message's content. Raises MessageError."""
    try:
        return packing.from_record(record["model"])
    except (KeyError, AttributeError):
        raise MessageError("the message holds no weights") from None
    except packing.PackingError as error:
        raise MessageError(str(error)) from None


def weight_bytes(record) -> int:
    """Size of the packed weights in a message's content; 0 without."""
    return sum(len(array.data) for array in record["model"].values()) if "model" in record else 0


def _read(record, key: str, model: type[M]) -> M:
    try:
        return model.model_validate_json(record[key]["json"])
    except (KeyError, TypeError, ValidationError, ValueError) as error:
        detail = f" at {'.'.join(map(str, error.errors()[0]['loc']))}" if isinstance(error, ValidationError) else ""
        raise MessageError(f"the {key} cannot be read{detail}") from None
