"""The federation's folder at the coordinator: settings, authority, registry of sites, runs.

    DIR/federation.json        what the federation is (`FederationSettings`)
    DIR/authority/             authority.crt and authority.key: signs the coordinator's certificate
    DIR/coordinator/           server.crt and server.key: the coordinator's TLS identity
    DIR/sites/<site>.json      one registered site: its public key (`Site`); deleting the file removes the site at the
                               coordinator's next start
    DIR/state/                 of a running coordinator: process id, loopback address, secrets, Flower's own log
    DIR/events.jsonl           who connected and who was refused, with times
    DIR/runs/run-001/          run.json, events.jsonl, rounds.jsonl (`runlog.py`), model/

Private keys and `state/` are readable by their owner only.
"""

import datetime
import re
import secrets
import uuid
from pathlib import Path
from typing import Any, Literal

from FedRTDatasetLib import atomic
from FedRTDatasetLib.errors import FedRTError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from . import identity
from .environment import LOOPBACK

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
"""What a site, federation or run may be called: it becomes a file name and stands in logs."""

DEFAULT_ADDRESS = f"{LOOPBACK}:8943"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FederationSettings(_Strict):
    """`federation.json`."""

    format: Literal["fedrt-federation-1"] = "fedrt-federation-1"
    id: str
    """Random; in every kit, so that a kit of another federation of the same name is told apart."""
    name: str
    address: str
    """host:port that sites connect to."""
    listen: str
    """host:port that the coordinator binds; only the sites' endpoint is served there."""
    structures: tuple[str, ...] = ()
    """TG-263 names that the contouring model has outputs for, in this order; empty: all that the sites can train."""
    training: dict[str, Any] | None = None
    """Training settings (`FedRTTrainLib.settings.TrainSettings`, validated there); None: its defaults."""
    processing: dict[str, Any] | None = None
    """How the datasets must have been processed (`FedRTDatasetLib.imaging.processing.Processing`); None: as at most sites."""
    created: str

    @field_validator("address", "listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        split_address(value)
        return value


class Site(_Strict):
    """`sites/<name>.json`: a site that the coordinator accepts."""

    format: Literal["fedrt-site-1"] = "fedrt-site-1"
    name: str
    public_key: str
    """PEM, byte for byte what the site sends."""
    fingerprint: str
    registered: str


class RunSettings(_Strict):
    """`runs/<run>/run.json`: what one run does."""

    format: Literal["fedrt-run-1"] = "fedrt-run-1"
    run: str
    id: str = Field(default_factory=lambda: secrets.token_hex(4), pattern=r"^[0-9a-f]{8}$")
    """Tells runs of the same name apart, so that a site never goes on from the checkpoint of another one."""
    task: str
    rounds: int = Field(ge=1, le=100_000)
    steps: int = Field(ge=1, le=1_000_000)
    """Training steps of every site in every round."""
    sites: tuple[str, ...]
    """Sites that the run waits for."""
    min_sites: int = Field(ge=1)
    """Fewest sites whose updates make a round."""
    wait_seconds: float = Field(gt=0)
    """How long to wait for the sites before going on with at least `min_sites`."""
    round_seconds: float = Field(gt=0)
    """Longest wait for the answers of a round."""
    payload: int = 0
    """connection-check only: extra float32 values carried along, to measure the transfer."""
    created: str

    @property
    def unique_name(self) -> str:
        """The run as sites know it."""
        return f"{self.run}-{self.id}"


def split_address(address: str) -> tuple[str, int]:
    """`host:port` as its parts. Raises ValueError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


def check_name(name: str, what: str) -> str:
    """Return `name` if it may name a site, federation or run; raises FedRTError saying what is allowed."""
    if not NAME.fullmatch(name):
        raise FedRTError(
            f"{name!r} cannot name a {what}: use letters, digits, - and _ (at most 40, starting with a letter or digit)."
        )
    return name


def utc_now() -> str:
    """The time for logs: UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class FederationFolder:
    """Paths and content of a federation's folder at the coordinator."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = _read(path / "federation.json", FederationSettings)

    @classmethod
    def open(cls, path: Path | str) -> "FederationFolder":
        """Open a folder made by `create`. Raises FedRTError if it is none."""
        path = Path(path)
        if not (path / "federation.json").is_file():
            raise FedRTError(
                f"{path} is no federation folder; create one with: fedrt federation init {path} --name NAME"
            )
        return cls(path)

    @classmethod
    def create(
        cls, path: Path | str, name: str, address: str, listen: str | None = None, structures: tuple[str, ...] = (),
        training: dict[str, Any] | None = None, processing: dict[str, Any] | None = None,
    ) -> "FederationFolder":  # fmt: skip
        """Make the folder: authority, coordinator certificate, settings. Raises FedRTError if it exists already."""
        path = Path(path)
        if (path / "federation.json").exists():
            raise FedRTError(f"{path} holds a federation already; choose another folder.")
        try:
            host, port = split_address(address)
            settings = FederationSettings(
                id=uuid.uuid4().hex, name=check_name(name, "federation"), address=address,
                listen=listen or (address if host == LOOPBACK else f"0.0.0.0:{port}"), structures=structures,
                training=training, processing=processing, created=utc_now(),
            )  # fmt: skip
        except ValueError as error:
            raise FedRTError(f"Address of the federation: {_first_line(error)}.") from None
        authority_key, authority = identity.new_authority(name)
        server_key, server = identity.new_server([host, LOOPBACK, "localhost"], authority_key, authority)
        identity.write_private(path / "authority" / "authority.key", identity.private_pem(authority_key))
        (path / "authority" / "authority.crt").write_bytes(identity.certificate_pem(authority))
        identity.write_private(path / "coordinator" / "server.key", identity.private_pem(server_key))
        (path / "coordinator" / "server.crt").write_bytes(identity.certificate_pem(server))
        atomic.write_text(path / "federation.json", settings.model_dump_json(indent=2) + "\n")  # last: now it exists
        return cls(path)

    @property
    def authority_certificate(self) -> Path:
        return self.path / "authority" / "authority.crt"

    @property
    def state(self) -> Path:
        """Private folder of a running coordinator."""
        folder = self.path / "state"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def sites(self) -> dict[str, Site]:
        """The registered sites by name, sorted."""
        return {file.stem: _read(file, Site) for file in sorted((self.path / "sites").glob("*.json"))}

    def register(self, site: Site) -> None:
        """Add a site. Raises FedRTError if the name is taken."""
        file = self.path / "sites" / f"{check_name(site.name, 'site')}.json"
        if file.exists():
            raise FedRTError(f"Site {site.name} has a kit already; give the new kit another name or delete {file}.")
        atomic.write_text(file, site.model_dump_json(indent=2) + "\n")

    def new_run(self) -> str:
        """Name and folder for the next run."""
        runs = self.path / "runs"
        runs.mkdir(exist_ok=True)
        number = 1 + max((int(name) for name in re.findall(r"run-(\d+)", " ".join(self.runs()))), default=0)
        (runs / f"run-{number:03d}").mkdir()
        return f"run-{number:03d}"

    def runs(self) -> list[str]:
        """Names of all runs, oldest first."""
        return sorted(folder.name for folder in (self.path / "runs").glob("run-*"))

    def run_folder(self, run: str) -> Path:
        return self.path / "runs" / check_name(run, "run")

    def run_settings(self, run: str) -> RunSettings:
        return _read(self.run_folder(run) / "run.json", RunSettings)


def _read(file: Path, model: type[BaseModel]):
    try:
        return model.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValidationError, ValueError) as error:
        raise FedRTError(f"{file} cannot be used: {_first_line(error)}.") from None


def _first_line(error: Exception) -> str:
    """A validation error in one line without the value that was given."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".strip(": ")
    return str(error).splitlines()[0] if str(error) else type(error).__name__
