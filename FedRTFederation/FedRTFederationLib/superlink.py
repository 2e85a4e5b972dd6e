"""The coordinator's Flower SuperLink, as a process: `python -m FedRTFederationLib.superlink`, started by `coordinator.py`.

Flower's own application (`--isolation process`, SuperNode authentication on, state in memory), served by us instead of
by `flower-superlink` because that binds all its APIs to one address; see `gate.py`. Sites' keys are taken from the
federation's registry before the first connection is accepted and followed from then on: a kit issued while the
coordinator runs works at once, a site whose file is deleted is out at once.
"""

import asyncio
import contextlib
import socket
import threading
import time
from pathlib import Path

from . import environment
from .folder import FederationFolder, split_address
from .process import child_argument

_REGISTRY_SECONDS = 1.0


def main() -> None:
    """Serve until the parent is gone."""
    argument, send = child_argument()
    folder = FederationFolder.open(argument["folder"])
    environment.prepare(folder.state / "flower")
    try:
        exposed = _bind(*split_address(folder.settings.listen))
    except OSError:
        send(event="failed", text=f"Address {folder.settings.listen} cannot be used: another program has it.")
        raise SystemExit(1) from None
    loopback = _bind(environment.LOOPBACK, 0)
    app = _application(folder, argument["executor_secret"].encode())
    registry = _Registry(folder, app.state.linkstate_factory.state())
    registry.update()
    threading.Thread(target=registry.follow, daemon=True).start()
    asyncio.run(_serve(app, folder, registry, argument["control_secret"], exposed, loopback, send))


def _application(folder: FederationFolder, executor_secret: bytes):
    """Flower's SuperLink application with our settings."""
    from flwr.common.constant import TRANSPORT_TYPE_GRPC_RERE
    from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME
    from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
    from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
    from flwr.superlink.config_loader import SuperLinkLifespanConfig
    from flwr.superlink.main import create_app

    certificate, key = _certificate_files(folder)
    config = SuperLinkLifespanConfig(
        control_address="", health_server_address=None, host=environment.LOOPBACK, port=0, insecure=False,
        certificates=(folder.authority_certificate.read_bytes(), certificate.read_bytes(), key.read_bytes()),
        superexec_auth_secret=executor_secret, authn_plugin=NoOpControlAuthnPlugin(), event_log_plugin=None,
        fleet_event_log_plugin=None, enable_event_log=False, artifact_provider=None, enable_supernode_auth=True,
        fleet_api_type=TRANSPORT_TYPE_GRPC_RERE, fleet_api_address=None, simulation=False,
        ssl_ca_certfile=str(folder.authority_certificate), ssl_certfile=str(certificate), ssl_keyfile=str(key),
        database=FLWR_IN_MEMORY_DB_NAME, isolation="process", runtime_dependency_install=False,
    )  # fmt: skip
    return create_app(config, SuperLinkLifespan)


class _Registry:
    """Keeps the SuperLink's nodes equal to the federation's registered sites."""

    def __init__(self, folder: FederationFolder, state) -> None:
        self._folder = folder
        self._state = state
        self._nodes: dict[bytes, int] = {}

    def is_registered(self, public_key: bytes) -> bool:
        return public_key in self._nodes

    def update(self) -> None:
        from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL, NOOP_ACCOUNT_NAME, NOOP_FLWR_AID

        wanted = {site.public_key.encode(): site.name for site in self._folder.sites().values()}
        for key in wanted.keys() - self._nodes.keys():
            self._nodes[key] = self._state.create_node(
                NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, key, HEARTBEAT_DEFAULT_INTERVAL, name=wanted[key]
            )
        for key in self._nodes.keys() - wanted.keys():
            self._state.delete_node(NOOP_FLWR_AID, self._nodes.pop(key))

    def follow(self) -> None:
        while True:
            time.sleep(_REGISTRY_SECONDS)
            with contextlib.suppress(Exception):  # a file that is being written is read the next time
                self.update()


async def _serve(app, folder, registry, control_secret, exposed, loopback, send) -> None:
    import signal

    from .gate import FleetGate, LoopbackGate

    inside = _server(LoopbackGate(app, control_secret), folder, lifespan="on")
    outside = _server(FleetGate(app, registry.is_registered, send), folder, lifespan="off")

    def stop() -> None:
        inside.should_exit = outside.should_exit = True

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows ends a process without asking
            asyncio.get_running_loop().add_signal_handler(signal_number, stop)
    serving = [asyncio.create_task(s.serve([sock])) for s, sock in ((inside, loopback), (outside, exposed))]
    while not (inside.started and outside.started):
        await asyncio.sleep(0.02)
        if any(task.done() for task in serving):
            stop()
            break
    else:
        host, port = loopback.getsockname()[:2]
        send(event="ready", address=f"{host}:{port}")
    await asyncio.gather(*serving)


def _server(app, folder: FederationFolder, lifespan: str):
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self):
            yield  # two servers share one process: `_serve` handles the signals for both

    certificate, key = _certificate_files(folder)
    config = uvicorn.Config(
        app, lifespan=lifespan, access_log=False, log_level="warning", ssl_certfile=certificate, ssl_keyfile=key,
        server_header=False, timeout_graceful_shutdown=0,
    )  # fmt: skip
    return Server(config)


def _certificate_files(folder: FederationFolder) -> tuple[Path, Path]:
    return folder.path / "coordinator" / "server.crt", folder.path / "coordinator" / "server.key"


def _bind(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    bound.listen(128)
    return bound


if __name__ == "__main__":
    main()
