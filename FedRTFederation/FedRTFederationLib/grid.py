"""Sending to sites and waiting for them: Flower's HTTP grid, with answers handed out one by one as they come.

Flower's own `send_and_receive` looks every three seconds and returns when the slowest site has answered, all answers in
memory at once. This one is a generator, so that a strategy can take in an update and forget it, and it can be stopped.
"""

import time
from collections.abc import Callable, Iterable, Iterator

from flwr.app import Message
from flwr.superlink.grid import HttpGrid

POLL_SECONDS = 0.25


class SiteGrid(HttpGrid):
    """`HttpGrid` for one run at the coordinator."""

    def __init__(self, address: str, authority: bytes, token: str, check: Callable[[], None]) -> None:
        """`check` is called while waiting; what it raises ends the waiting."""
        super().__init__(address, False, authority, token=token)
        self._check = check

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterator[Message]:
        """Send `messages` (at most one a site) and yield the answers as they arrive, until `timeout` seconds are over."""
        waiting = set(self.push_messages(list(messages))) - {"", None}
        end = time.monotonic() + (timeout if timeout is not None else float("inf"))
        while waiting and time.monotonic() < end:
            self._check()
            answers = list(self.pull_messages(waiting))
            waiting -= {answer.metadata.reply_to_message_id for answer in answers}
            while answers:
                yield answers.pop()
            if waiting:
                time.sleep(POLL_SECONDS)
