"""What stands in front of the SuperLink: who may call what.

Flower 1.41 serves three APIs on one port: Fleet (for sites, authenticated by their keys), Runtime (for the process that
runs the rounds) and Control (starts runs, no authentication at all). The gate splits them over two listeners:

- the exposed one offers the Fleet calls a site needs and nothing else; everything else is 404;
- the loopback one offers the Runtime and Control calls we use; Control needs a secret that only the owner of the
  federation's folder can read (Flower protects Runtime by its own shared secret and tokens).

It also closes a hole in Flower's authentication: Flower checks that the *request* comes from the node it names, but not
that the *reply inside* names the same node, so one site could answer in another's name. The gate compares the two.
"""

import base64
import binascii
import hmac
import time
from collections.abc import Callable
from typing import Any

from . import identity

FLEET_CALLS = frozenset(
    f"/v1/fleet/{name}"
    for name in (
        "activate-node", "deactivate-node", "send-node-heartbeat", "pull-messages", "push-messages", "get-run",
        "get-fab", "push-object", "pull-object", "confirm-message-received",
    )
)  # fmt: skip
RUNTIME_CALLS = frozenset(
    f"/v1/runtime/{name}"
    for name in (
        "acquire-task", "send-task-heartbeat", "pull-task-input", "push-task-output", "push-messages", "pull-messages",
        "push-object", "pull-object", "confirm-message-received", "get-nodes",
    )
)  # fmt: skip
CONTROL_CALLS = frozenset(f"/v1/control/{name}" for name in ("start-run", "stop-run", "list-runs", "list-nodes"))

SECRET_HEADER = "x-fedrt-control"
REFUSAL_HEADER = "x-fedrt-refusal"
"""On a refused connection: `unregistered` or `connected` (the site is connected from another process)."""

PROBE_HEADER = "x-fedrt-probe"
"""On calls with which a site tries whether it is taken, before it connects to stay."""

_LARGEST_ENVELOPE = 4 * 1024 * 1024
"""Bytes of a push-messages request; it holds names and hashes, the weights travel separately."""
_QUIET_SECONDS = 60

App = Callable[..., Any]


class LoopbackGate:
    """ASGI middleware of the loopback listener."""

    def __init__(self, app: App, secret: str) -> None:
        self._app = app
        self._secret = secret.encode()

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = scope["path"]
        may_control = path in CONTROL_CALLS and hmac.compare_digest(_header(scope, SECRET_HEADER), self._secret)
        if may_control or path in RUNTIME_CALLS:
            return await self._app(scope, receive, send)
        return await _answer(send, 404)


class FleetGate:
    """ASGI middleware of the exposed listener."""

    def __init__(self, app: App, is_registered: Callable[[bytes], bool], notify: Callable[..., None]) -> None:
        """`is_registered` knows public keys in PEM; `notify(event=, fingerprint=, …)` hears who comes and goes."""
        self._app = app
        self._is_registered = is_registered
        self._notify = notify
        self._last_refusal: dict[str, float] = {}

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http" or scope["path"] not in FLEET_CALLS:
            return await _answer(send, 404) if scope["type"] == "http" else None
        if scope["path"] == "/v1/fleet/push-messages":
            body = await _read_body(receive)
            if body is None or not _speaks_for_itself(body):
                self._refused(_public_key(scope), "it answered in the name of another site")
                return await _answer(send, 403)
            receive = _replay(body)
        return await self._app(scope, receive, self._watch(scope, send))

    def _watch(self, scope, send):
        """`send` that notes connections and refusals, and marks refused connections for the site."""
        key = _public_key(scope)
        call = scope["path"].rpartition("/")[2]
        probe = bool(_header(scope, PROBE_HEADER))

        async def watching(message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                if status == 200 and call in ("activate-node", "deactivate-node"):
                    event = "connected" if call == "activate-node" else "disconnected"
                    if not probe:
                        self._notify(event=event, fingerprint=identity.fingerprint(key))
                elif status == 401 and call != "activate-node" and self._is_registered(key):
                    pass  # a session from before the coordinator started again; the site connects anew by itself
                elif status == 401:
                    self._refused(key, "its signature is not valid, its clock is wrong or its key is not registered")
                elif call == "activate-node":
                    registered = self._is_registered(key)
                    why = "connected" if registered else "unregistered"
                    message["headers"] = [*message["headers"], (REFUSAL_HEADER.encode(), why.encode())]
                    if not registered:
                        self._refused(key, "its key is not registered")
            await send(message)

        return watching

    def _refused(self, key: bytes, reason: str) -> None:
        """Tell about a refusal, but not about every attempt of a process that keeps trying."""
        fingerprint = identity.fingerprint(key)
        now = time.monotonic()
        if now - self._last_refusal.get(fingerprint, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._last_refusal = {fingerprint: now, **dict(list(self._last_refusal.items())[:999])}
            self._notify(event="refused", fingerprint=fingerprint, reason=reason)


def _speaks_for_itself(body: bytes) -> bool:
    from flwr.proto.fleet_pb2 import PushMessagesRequest
    from google.protobuf.message import DecodeError

    try:
        request = PushMessagesRequest.FromString(body)
    except DecodeError:
        return False
    return all(message.metadata.src_node_id == request.node.node_id for message in request.messages_list)


def _public_key(scope) -> bytes:
    """The PEM that the caller claims; proven only where Flower's answer is 200."""
    try:
        return base64.b64decode(_header(scope, "flwr-public-key"), validate=True)
    except binascii.Error:
        return b""


def _header(scope, name: str) -> bytes:
    return next((value for key, value in scope["headers"] if key == name.encode()), b"")


async def _read_body(receive) -> bytes | None:
    """The whole request body, or None if it is larger than an envelope can be."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _LARGEST_ENVELOPE or message["type"] != "http.request":
            return None
    return body


def _replay(body: bytes):
    """A `receive` that hands out the body that was read."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive():
        return next(messages, {"type": "http.disconnect"})

    return receive


async def _answer(send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
