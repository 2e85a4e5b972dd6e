import io
import json
import ssl
import stat
import zipfile

import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTFederationLib import bundle, identity, kit
from FedRTFederationLib.folder import FederationFolder


@pytest.fixture
def folder(tmp_path):
    return FederationFolder.create(tmp_path / "federation", "test", "coordinator.example:8943")


def test_kit_holds_what_the_coordinator_registered(folder, tmp_path):
    made = kit.issue(folder, "north", tmp_path / "north.zip")
    loaded = kit.load(tmp_path / "north.zip")
    assert loaded == made
    assert loaded.manifest.federation == folder.settings.id
    assert loaded.manifest.address == "coordinator.example:8943"
    assert loaded.manifest.allowed_apps == (bundle.sha256(),)
    assert folder.sites()["north"].public_key.encode() == loaded.public_key


def test_secrets_are_private(folder, tmp_path):
    kit.issue(folder, "north", tmp_path / "north.zip")
    secrets = [tmp_path / "north.zip", *(tmp_path / "federation").rglob("*.key")]
    assert len(secrets) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets} == {0o600}


def test_coordinator_certificate_is_signed_by_the_authority(folder):
    server = folder.path / "coordinator"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server / "server.crt", server / "server.key")
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(folder.authority_certificate)
    for host in ("coordinator.example", "127.0.0.1", "localhost"):
        _handshake(trusting, context, host)
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(trusting, context, "other.example")


def _handshake(client_context, server_context, host):
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    client.do_handshake()


def test_bundle_is_the_same_everywhere_and_holds_no_code():
    assert bundle.sha256() == "57ea24ca483ac92f65b97fff38c06f5cf36c5bca855bb05c8b9468b3776e64ab"
    with zipfile.ZipFile(io.BytesIO(bundle.content())) as archive:
        assert archive.namelist() == ["pyproject.toml"]


def test_second_kit_for_a_site_is_refused(folder, tmp_path):
    kit.issue(folder, "north", tmp_path / "north.zip")
    with pytest.raises(FedRTError, match="has a kit already"):
        kit.issue(folder, "north", tmp_path / "other.zip")


@pytest.mark.parametrize("name", ["", "../north", "a b", "x" * 41, "-north"])
def test_names_that_are_no_file_names_are_refused(folder, tmp_path, name):
    with pytest.raises(FedRTError, match="cannot name a site"):
        kit.issue(folder, name, tmp_path / "kit.zip")


def test_damaged_kits_are_refused(folder, tmp_path):
    file = tmp_path / "north.zip"
    kit.issue(folder, "north", file)
    for content in (b"", b"no archive", file.read_bytes()[:-30]):
        file.write_bytes(content)
        with pytest.raises(FedRTError, match=r"north\.zip is no startup kit"):
            kit.load(file)
    with pytest.raises(FedRTError, match="does not exist"):
        kit.load(tmp_path / "absent.zip")


def test_kit_of_another_version_or_with_mixed_keys_is_refused(folder, tmp_path):
    kit.issue(folder, "north", tmp_path / "north.zip")
    with zipfile.ZipFile(tmp_path / "north.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    newer = {**json.loads(members["kit.json"]), "format": "fedrt-kit-2"}
    other_key = identity.private_pem(identity.new_site_key())
    for change in ({"kit.json": json.dumps(newer).encode()}, {"site.key": other_key}):
        with zipfile.ZipFile(tmp_path / "changed.zip", "w") as archive:
            for name, content in {**members, **change}.items():
                archive.writestr(name, content)
        with pytest.raises(FedRTError, match="kit"):
            kit.load(tmp_path / "changed.zip")


def test_existing_federation_is_not_overwritten(folder):
    with pytest.raises(FedRTError, match="holds a federation already"):
        FederationFolder.create(folder.path, "test", "127.0.0.1:8943")


@pytest.mark.parametrize("address", ["nowhere", "host:", "host:99999", ":80"])
def test_unusable_addresses_are_refused(tmp_path, address):
    with pytest.raises(FedRTError, match="host:port"):
        FederationFolder.create(tmp_path / "federation", "test", address)


def test_folder_that_is_no_federation(tmp_path):
    with pytest.raises(FedRTError, match="is no federation folder"):
        FederationFolder.open(tmp_path)
