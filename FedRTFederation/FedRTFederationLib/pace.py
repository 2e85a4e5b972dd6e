"""Flower's waiting times, shortened.

Flower 1.41 waits in fixed steps that add up to seconds a round: 0.5 s until a reply is noticed and again until its
content is, 1 s (then 2 s, 4 s …) when a message arrives before its content. They are constants and default arguments,
not settings, so they are set where the pinned version keeps them; each `quicken_*` fails loudly if that place is gone.
"""

import functools
import time

NOTICE_SECONDS = 0.05
"""Steps in which a process looks into its own memory."""
FETCH_SECONDS = 0.1
"""First pause before content that is still being uploaded is asked for again; doubles up to two seconds."""


class _Clock:
    """Stands for the `time` module in one of Flower's modules."""

    @staticmethod
    def sleep(seconds: float) -> None:
        time.sleep(min(seconds, NOTICE_SECONDS))


def quicken_supernode() -> None:
    """In the SuperNode's process."""
    from flwr.supernode import start_client_internal as module

    _replace(module, "time", _Clock)
    _replace(module, "pull_objects", _eager(module.pull_objects))


def quicken_site_executor() -> None:
    """In the site's executor."""
    from flwr.supernode.runtime import run_clientapp as module

    _replace(module, "pull_and_inflate_object_from_tree", _eager(module.pull_and_inflate_object_from_tree))


def quicken_grid() -> None:
    """In the coordinator's executor."""
    from flwr.superlink.grid import http_grid as module

    _replace(module, "pull_objects", _eager(module.pull_objects))


def _eager(pull):
    return functools.partial(pull, initial_backoff=FETCH_SECONDS, backoff_cap=2.0)


def _replace(module, name: str, value) -> None:
    if not hasattr(module, name):
        raise RuntimeError(f"{module.__name__} has no {name}: this is not the version of Flower that FedRT needs")
    setattr(module, name, value)
