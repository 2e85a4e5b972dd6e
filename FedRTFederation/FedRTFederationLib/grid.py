"""Sending to sites and waiting for them: Flower's HTTP grid, with answers handed out one by one as they come.

Flower's own `send_and_receive` looks every three seconds and returns when the slowest site has answered, all answers in
memory at once. This one is a generator, so that a strategy can take in an update and forget it; it can be stopped; and a
site that lost its connection or was started again is asked again when it is back.
"""

import time
from collections.abc import Callable, Iterable, Iterator

from flwr.app import Message
from flwr.common.constant import ErrorCode
from flwr.superlink.grid import HttpGrid

POLL_SECONDS = 0.25
RETURN_SECONDS = 300.0
"""How long a lost site may take to come back before the others go on without it in this round."""


class SiteGrid(HttpGrid):
    """`HttpGrid` for one run at the coordinator."""

    def __init__(self, address: str, authority: bytes, token: str, check: Callable[[], None]) -> None:
        """`check` is called while waiting; what it raises ends the waiting."""
        super().__init__(address, False, authority, token=token)
        self._check = check
        self.on_lost: Callable[[int], None] = lambda node_id: None
        """Told the node whose connection was lost while its answer was awaited."""

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterator[Message]:
        """Send `messages` (at most one a site) and yield the answers as they arrive, until `timeout` seconds are over.

        An answer's `reply_to_message_id` is that of the message given, also if it had to be sent again.
        """
        first = list(messages)
        waiting = {id: message for id, message in zip(self.push_messages(first), first, strict=True) if id}
        original = {id: id for id in waiting}
        lost: list[tuple[float, Message, Message]] = []
        end = time.monotonic() + (timeout if timeout is not None else float("inf"))
        while (waiting or lost) and time.monotonic() < end:
            self._check()
            answers = list(self.pull_messages(set(waiting))) if waiting else []
            while answers:
                answer = answers.pop()
                asked = waiting.pop(answer.metadata.reply_to_message_id, None)
                if asked is None:
                    continue
                answer.metadata.__dict__["_reply_to_message_id"] = original[answer.metadata.reply_to_message_id]
                if answer.has_error() and answer.error.code == ErrorCode.NODE_UNAVAILABLE:
                    self.on_lost(asked.metadata.dst_node_id)
                    lost.append((time.monotonic() + RETURN_SECONDS, asked, answer))
                else:
                    yield answer
            yield from self._ask_again(lost, waiting, original)
            if waiting or lost:
                time.sleep(POLL_SECONDS)

    def _ask_again(self, lost, waiting: dict[str, Message], original: dict[str, str]) -> list[Message]:
        """Send to lost sites that are back; returns the error answers of those that stayed away too long."""
        if not lost:
            return []
        online, given_up = set(self.get_node_ids()), []
        for item in list(lost):
            give_up_at, asked, error = item
            if asked.metadata.dst_node_id in online:
                again = _again(asked)
                (id,) = self.push_messages([again])
                waiting[id], original[id] = again, error.metadata.reply_to_message_id
                lost.remove(item)
            elif time.monotonic() > give_up_at:
                given_up.append(error)
                lost.remove(item)
        return given_up


def _again(message: Message) -> Message:
    """The same message, newly made, because Flower has closed the case of the first one."""
    old = message.metadata
    return Message(message.content, old.dst_node_id, old.message_type, group_id=old.group_id, ttl=old.ttl)
