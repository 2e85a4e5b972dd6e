"""One federated run as a Flower strategy: who is asked, what is accepted, how it is averaged, what is noted.

`CaseWeightedFedAvg` plugs into Flower's `Strategy.start`. It sends every site that answered the invitation the same
packed model, checks each update before it counts (`aggregation.validate`), names the site whose update is refused and
goes on with the others, and writes one line a site and round to `rounds.jsonl`.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from FedRTDatasetLib.errors import FedRTError
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from . import messages, packing
from .aggregation import OutputRows, UpdateRefusedError, WeightedAverage, validate
from .folder import RunSettings
from .messages import MessageError, TrainAnswer, TrainRequest
from .packing import Weights
from .task import CaseCounts


@dataclass(frozen=True)
class Member:
    """A site in this run. Name and fingerprint belong to the public key that the node proved to hold."""

    site: str
    fingerprint: str
    node_id: int
    cases: CaseCounts


class CaseWeightedFedAvg(Strategy):
    """FedAvg weighted by labelled cases, output rows by the cases labelled for their structure."""

    def __init__(
        self, settings: RunSettings, requirements: dict[str, Any], members: list[Member], rows: OutputRows,
        note: Callable[..., None], warn: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`note(**fields)` receives the line of each site and round, `warn(text)` what a person should read."""
        self._settings = settings
        self._requirements = requirements
        self._members = members
        self._rows = rows
        self._note = note
        self._warn = warn
        self._asked: dict[str, Member] = {}
        self._global: Weights = {}
        self._bytes_sent = 0
        self._started = 0.0
        self.losses: list[float | None] = []
        """Case-weighted mean training loss of each finished round, where the sites tell one."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One message a site; all share the packed model, which is uploaded once."""
        self._global = packing.from_record(arrays)
        self._bytes_sent = sum(len(array.data) for array in arrays.values())
        self._started = time.monotonic()
        request = TrainRequest(
            run=self._settings.unique_name, task=self._settings.task, requirements=self._requirements, round=server_round,
            rounds=self._settings.rounds, steps=self._settings.steps,
        )  # fmt: skip
        content = messages.request(request, arrays)
        sent = [
            Message(content, member.node_id, messages.TRAIN, group_id=str(server_round), ttl=self._lifetime())
            for member in self._members
        ]
        self._asked = {message.object_id: member for message, member in zip(sent, self._members, strict=True)}
        return sent

    def _lifetime(self) -> float:
        return self._settings.round_seconds + 60.0

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Take in the answers as they come. Raises FedRTError if fewer than `min_sites` updates can be used."""
        average = WeightedAverage(self._global, self._rows)
        silent = dict(self._asked)
        losses: list[tuple[float, int]] = []
        for reply in replies:
            member = silent.get(reply.metadata.reply_to_message_id)
            if member is None:
                continue  # not an answer to what was asked in this round
            del silent[reply.metadata.reply_to_message_id]
            answer = self._take_in(server_round, member, reply, average)
            if answer is not None and "loss" in answer.metrics:
                losses.append((answer.metrics["loss"], member.cases.total))
        for member in silent.values():
            self._refuse(server_round, member, "it did not answer in time")
        if average.sites < self._settings.min_sites:
            raise FedRTError(
                f"Round {server_round} has updates of {average.sites} sites but needs {self._settings.min_sites}; "
                "see the warnings above for each site."
            )
        loss = sum(loss * cases for loss, cases in losses) / sum(cases for _, cases in losses) if losses else None
        self.losses.append(loss)
        return packing.to_record(average.result()), MetricRecord({} if loss is None else {"loss": loss})

    def _take_in(self, round_number: int, member: Member, reply: Message, average: WeightedAverage):
        """Add one answer to the average and note it; returns it, or None if it is refused."""
        try:
            if reply.has_error():
                raise MessageError(flower_error(reply))
            if reply.metadata.src_node_id != member.node_id:
                raise MessageError("the answer names another site")
            answer = messages.read_answer(reply.content, TrainAnswer)
            if answer.status != "trained":
                raise MessageError(answer.reason or "it gave no reason")
            size = messages.weight_bytes(reply.content)
            update = messages.read_weights(reply.content)
            validate(update, self._global)
            average.add(update, member.cases)
        except (MessageError, UpdateRefusedError) as error:
            self._refuse(round_number, member, str(error))
            return None
        self._line(
            round_number, member, accepted=True, reason=None, steps=answer.steps, metrics=answer.metrics,
            site_seconds=round(answer.seconds, 3), bytes_received=size,
        )  # fmt: skip
        return answer

    def _refuse(self, round_number: int, member: Member, reason: str) -> None:
        self._warn(f"Site {member.site}: no update in round {round_number}: {reason}.")
        self._line(round_number, member, accepted=False, reason=reason, steps=0, metrics={}, bytes_received=0)

    def _line(self, round_number: int, member: Member, **fields: Any) -> None:
        self._note(
            round=round_number, site=member.site, fingerprint=member.fingerprint, cases=member.cases.total,
            seconds=round(time.monotonic() - self._started, 3), bytes_sent=self._bytes_sent, **fields,
        )  # fmt: skip

    def configure_evaluate(self, server_round, arrays, config, grid) -> Iterable[Message]:
        """No separate evaluation: sites report the loss of their training."""
        return []

    def aggregate_evaluate(self, server_round, replies) -> None:
        """Nothing was asked."""
        list(replies)

    def summary(self) -> None:
        """Flower's hook for its log; ours is the run's event log."""


def flower_error(reply: Message) -> str:
    """Flower's error answers in our words."""
    from flwr.common.constant import ErrorCode

    known = {
        ErrorCode.INVALID_FAB: messages.printable(reply.error.reason or "it refused the app"),
        ErrorCode.NODE_UNAVAILABLE: "it lost its connection",
        ErrorCode.MESSAGE_UNAVAILABLE: "its answer did not arrive completely",
        ErrorCode.REPLY_MESSAGE_UNAVAILABLE: "its answer did not arrive in time",
        ErrorCode.CLIENT_APP_CRASHED: "its executor stopped responding",
    }
    return known.get(reply.error.code, f"it answered with Flower error {reply.error.code}")
