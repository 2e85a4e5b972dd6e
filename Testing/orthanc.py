"""A real Orthanc (Debian packages `orthanc` and `orthanc-dicomweb`) on free loopback ports, for tests.

It keeps its storage in a folder of the test's, listens on 127.0.0.1 only and is stopped by its process id.
"""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

PROGRAM = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
AET = "ARCHIVE"


def needed() -> None:
    """Skip where Orthanc is not installed."""
    if not Path(PROGRAM).is_file() or not DICOMWEB_PLUGIN.exists():
        pytest.skip("needs Orthanc with its DICOMweb plugin: apt-get install orthanc orthanc-dicomweb")


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Orthanc:
    """One server; `clients` maps AE titles it knows to the port they listen on (0: they only ask)."""

    def __init__(
        self, folder: Path, *, clients: dict[str, int], users: dict[str, str] | None = None, tls=None, **more
    ) -> None:
        needed()
        self.folder, self.users = folder, users or {}
        self.dicom_port, self.http_port = free_port(), free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen | None = None
        configuration = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "DicomAet": AET,
            "DicomCheckCalledAet": True,
            "DicomPort": self.dicom_port,
            "HttpPort": self.http_port,
            "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": bool(self.users),
            "RegisteredUsers": self.users,
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowStore": False,
            "DicomModalities": {
                aet: {"AET": aet, "Host": "127.0.0.1", "Port": port or 104, "AllowGet": True, "UseDicomTls": bool(tls)}
                for aet, port in clients.items()
            },
            "Plugins": [str(DICOMWEB_PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "StableAge": 1,
            "DicomThreadsCount": 4,
            "HttpThreadsCount": 8,
            **more,
        }
        if tls:
            configuration |= {
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(tls.cert),
                "DicomTlsPrivateKey": str(tls.key),
                "DicomTlsTrustedCertificates": str(tls.ca),
            }
        (folder / "orthanc.json").write_text(json.dumps(configuration, indent=1))

    @property
    def pacs(self) -> str:
        """The SOURCE of its DIMSE side."""
        return f"pacs:{AET}@127.0.0.1:{self.dicom_port}"

    @property
    def dicomweb(self) -> str:
        """The SOURCE of its DICOMweb side."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def start(self) -> "Orthanc":
        with (self.folder / "log.txt").open("ab") as log:
            command = [PROGRAM, str(self.folder / "orthanc.json")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        end = time.monotonic() + 30
        while time.monotonic() < end and self._process.poll() is None:
            try:
                self._rest("GET", "/system")
                return self
            except requests.ConnectionError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError((self.folder / "log.txt").read_text(errors="replace")[-2000:])

    def stop(self, *, at_once: bool = False) -> None:
        """End it, by process id; `at_once`: as a crash would."""
        if self._process is not None:
            self._process.kill() if at_once else self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def add(self, *folders: Path) -> None:
        """Store every file below some folders."""
        for folder in folders:
            for path in sorted(folder.rglob("*.dcm")):
                self._rest("POST", "/instances", data=path.read_bytes())

    def remove_patient(self, patient_id: str) -> None:
        for one in self._rest(
            "POST", "/tools/find", json={"Level": "Patient", "Query": {"PatientID": patient_id}}
        ).json():
            self._rest("DELETE", f"/patients/{one}")

    def _rest(self, method: str, path: str, **options) -> requests.Response:
        auth = next(iter(self.users.items()), None)
        address = f"http://127.0.0.1:{self.http_port}{path}"
        response = requests.request(method, address, auth=auth, timeout=20, **options)
        response.raise_for_status()
        return response

    def __enter__(self) -> "Orthanc":
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop(at_once=True)
