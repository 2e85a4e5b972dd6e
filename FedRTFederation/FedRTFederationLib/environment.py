"""What has to hold in a process before Flower is imported into it.

Flower reads these variables when its modules load, so `prepare` must come before the first `import flwr`.
"""

import logging
import os
from pathlib import Path

LOOPBACK = "127.0.0.1"


def prepare(flower_home: Path) -> None:
    """Silence Flower's calls home and give it a private folder.

    Telemetry and the update check (both reach out to flower.ai) are turned off, runtime installation of packages is
    turned off, Flower's state goes to `flower_home` instead of the user's home, and a configured HTTP proxy is never
    used for the loopback connections between our own processes.
    """
    flower_home.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ.update(
        FLWR_TELEMETRY_ENABLED="0",
        FLWR_DISABLE_UPDATE_CHECK="1",
        FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION="1",
        FLWR_HOME=str(flower_home),
    )
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, LOOPBACK, "localhost"]))


def quieten() -> None:
    """In the processes a person watches: only Flower's warnings, the story is told by our own reports and logs."""
    import flwr.supercore.logger  # noqa: F401 - sets its own level when it loads

    for name in ("flwr", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
