"""A site's Flower SuperNode, as a process: `python -m FedRTFederationLib.supernode`, started by `participant.py`.

It keeps the connection to the coordinator (outbound only), signs every call with the site's key, and hands messages to
the executor over Flower's Runtime API on loopback. Flower's own parts do the work; the loop around them is ours, so that

- an app bundle from the coordinator is hashed and dropped before anything looks inside: an unknown hash is answered with
  an error, a known one is replaced by the installed bundle;
- a message is fetched within `BUSY_SECONDS` while a run goes on, instead of Flower's three seconds;
- a site that is not registered, or a coordinator that is not the kit's, ends in one clear sentence.
"""

import hashlib
import signal
import socket
import threading
import time
from pathlib import Path

from . import bundle, environment, identity, pace
from .gate import PROBE_HEADER, REFUSAL_HEADER
from .process import child_argument

_STILL_CONNECTED_SECONDS = 120
"""A killed SuperNode counts as connected for Flower's heartbeat patience (60 s); wait that out when starting again."""


BUSY_SECONDS = 0.25
"""How often the coordinator is asked for a message while a run goes on."""
IDLE_SECONDS = 2.0
"""How often otherwise."""
_IDLE_AFTER_SECONDS = 120.0


class AppRefusedError(Exception):
    """The coordinator's run carries an app bundle that the kit does not allow; the argument is its SHA-256."""


class SiteRefusedError(Exception):
    """The coordinator does not take this site, or is not the one of the kit; the text is for the site's people."""


def main() -> None:
    """Connect and relay until the parent or the connection is gone."""
    argument, send = child_argument()
    environment.prepare(Path(argument["work"]) / "flower")
    from flwr.supercore.object_store import ObjectStoreFactory
    from flwr.supernode.nodestate import NodeStateFactory

    pace.quicken_supernode()
    for number in (signal.SIGTERM, signal.SIGINT):  # SIGINT is also how Flower ends itself when it is not let in
        signal.signal(number, _leave)
    private_key = identity.load_private(argument["private_key"].encode())
    keys = (private_key, private_key.public_key())
    authority = argument["authority"].encode()
    states = NodeStateFactory(objectstore_factory=ObjectStoreFactory())
    send(event="ready", address=_serve_runtime(states, argument["executor_secret"].encode()))
    try:
        wait_for_coordinator(argument["address"], authority, keys, argument["site"], send)
    except SiteRefusedError as refusal:
        send(event="refused", text=str(refusal))
        raise SystemExit(3) from None
    _relay(argument, authority, keys, states, send)


def _leave(number, frame) -> None:
    raise SystemExit(0)  # unwinds, so that the coordinator is told


def wait_for_coordinator(address: str, authority: bytes, keys, site: str, send) -> None:
    """Return when the coordinator answers and takes this site. Raises SiteRefusedError when trying again would not help."""
    import httpx
    from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL
    from flwr.proto.fleet_pb2 import ActivateNodeRequest, DeactivateNodeRequest
    from flwr.supernode.fleet_http_client import FleetHttpClient
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    request = ActivateNodeRequest(
        public_key=identity.public_pem(keys[1]), heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL
    )
    started, pause, told = time.monotonic(), 1.0, False
    with FleetHttpClient.from_server_address(
        address, False, authority, [NodeAuthHttpInterceptor(*keys), _Probe()]
    ) as client:
        while True:
            try:
                node_id = client.ActivateNode(request).node_id
                client.DeactivateNode(DeactivateNodeRequest(node_id=node_id))
                return
            except httpx.TransportError as error:
                if "certificate" in str(error).lower():
                    raise SiteRefusedError(
                        f"The coordinator at {address} is not the one that issued this kit."
                    ) from None
                reason = f"The coordinator at {address} does not answer yet; trying again."
            except httpx.HTTPStatusError as error:
                reason = _status_reason(error.response, address, site, keys[1], time.monotonic() - started)
            if not told:
                send(event="warning", text=reason)
                told = True
            time.sleep(pause)
            pause = min(pause * 1.5, 20.0)


class _Probe:
    """Marks calls that only try whether the site is taken, so that they are not told as a connection."""

    def intercept(self, context, call_next):
        context.request.headers[PROBE_HEADER] = "1"
        return call_next(context)


def _status_reason(response, address: str, site: str, public_key, waited: float) -> str:
    """Why to try again; raises SiteRefusedError where that would not help."""
    fingerprint = identity.fingerprint(identity.public_pem(public_key))
    refusal = response.headers.get(REFUSAL_HEADER)
    if refusal == "unregistered":
        raise SiteRefusedError(
            f"The coordinator at {address} does not know site {site} (key {fingerprint}): "
            "ask its operator whether the site is registered, or for a new kit."
        )
    if response.status_code == 401:
        raise SiteRefusedError(
            f"The coordinator at {address} refused the signature of {site}: check this machine's clock."
        )
    if refusal == "connected" and waited > _STILL_CONNECTED_SECONDS:
        raise SiteRefusedError(f"Site {site} is connected already from another process; stop that one first.")
    if refusal == "connected":
        return f"The coordinator still counts site {site} as connected; waiting until it lets go."
    return f"The coordinator at {address} answered with status {response.status_code}; trying again."


def _serve_runtime(states, executor_secret: bytes) -> str:
    """Serve the Runtime API on a free loopback port; returns its address."""
    import uvicorn
    from flwr.supernode.main import create_app

    bound = socket.socket()
    bound.bind((environment.LOOPBACK, 0))
    app = create_app(state_factory=states, superexec_auth_secret=executor_secret)
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=0))
    threading.Thread(target=server.run, args=([bound],), daemon=True).start()
    while not server.started:
        time.sleep(0.02)
    return f"{environment.LOOPBACK}:{bound.getsockname()[1]}"


def _relay(argument, authority: bytes, keys, states, send) -> None:
    """Flower's SuperNode loop (`flwr.supernode.start_client_internal`) with our checks and pace."""
    from flwr.app import Message
    from flwr.app.error import Error
    from flwr.common.constant import ErrorCode
    from flwr.supernode import start_client_internal as flower
    from flwr.supernode.fleet_http_connection import http_request_response

    state, store = states.state(), states.objectstore_factory.store()
    allowed = frozenset(argument["allowed_apps"])
    with http_request_response(argument["address"], False, authority, keys) as connection:
        node_id, receive, push, get_run, get_fab, pull_object, push_object, confirm = connection
        state.set_node_id(node_id)
        send(event="connected")
        newest: list[Message] = []

        def receive_and_remember():
            received = receive()
            newest[:] = [received[0]] if received else []
            return received

        def checked_fab(fab_hash: str, run_id: int):
            return check_app(get_fab(fab_hash, run_id), allowed)

        last = 0.0
        while True:
            try:
                run_id = flower._pull_and_store_message(
                    state, store, {}, receive_and_remember, get_run, checked_fab, pull_object, confirm, None
                )
            except AppRefusedError as refusal:
                reason = f"app {refusal.args[0][:12]} is not in this site's kit"
                send(event="app_refused", text=reason)
                reply = Message(Error(ErrorCode.INVALID_FAB, reason), reply_to=newest[0])
                flower._insert_message(reply, state, store)
                run_id = newest[0].metadata.run_id
            if run_id is not None:
                flower._push_messages(state, store, push, push_object)
                last = time.monotonic()
            elif time.monotonic() - last < _IDLE_AFTER_SECONDS:
                time.sleep(BUSY_SECONDS)
            else:
                time.sleep(IDLE_SECONDS)


def check_app(fab, allowed: frozenset[str]):
    """Hash what the coordinator sent and drop it: the installed bundle if its hash is allowed, else AppRefusedError.

    Only a bundle that is byte for byte the installed one passes, so there is nothing in it to unpack.
    """
    received = hashlib.sha256(fab.content).hexdigest()
    if received not in allowed or received != bundle.sha256():
        raise AppRefusedError(received)
    return type(fab)(hash_str=received, content=bundle.content(), verifications={})


if __name__ == "__main__":
    main()
