"""Where tokens and passwords come from, and where they may go."""

import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.sources.credentials import Credentials, credentials_for

URL = "https://pacs.example.org/dicom-web"


@pytest.fixture(autouse=True)
def no_secrets_of_ours(monkeypatch):
    for what in ("TOKEN", "USER", "PASSWORD", "CA", "CREDENTIALS"):
        monkeypatch.delenv(f"FEDRT_DICOMWEB_{what}", raising=False)


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


def test_from_a_file_for_the_server_named_there(tmp_path):
    path = write(
        tmp_path / "c.toml",
        '["https://pacs.example.org/dicom-web"]\ntoken = "t1"\n["https://x"]\nuser="u"\npassword="p"\n',
    )
    assert credentials_for(URL, path) == Credentials(token="t1")
    assert credentials_for(URL + "/studies", path) == Credentials(token="t1")
    assert credentials_for("https://x/any/path", path) == Credentials(user="u", password="p")
    for other in (
        "https://x.evil.org",
        "http://x",
        "https://pacs.example.org/dicom-web2",
        "https://pacs.example.org:8443/dicom-web",
    ):
        assert credentials_for(other, path) == Credentials()


def test_from_the_environment(monkeypatch):
    monkeypatch.setenv("FEDRT_DICOMWEB_USER", "u")
    with pytest.raises(FedRTError, match="belong together"):
        credentials_for(URL)
    monkeypatch.setenv("FEDRT_DICOMWEB_PASSWORD", "p")
    assert credentials_for(URL) == Credentials(user="u", password="p")


def test_a_secret_is_never_shown():
    shown = repr(Credentials("sekret", "alice", "geheim", ca="/ca.pem"))
    assert "/ca.pem" in shown
    assert not any(word in shown for word in ("sekret", "alice", "geheim"))


def test_a_secret_only_travels_encrypted_or_to_this_computer(monkeypatch):
    monkeypatch.setenv("FEDRT_DICOMWEB_TOKEN", "t")
    for private in (URL, "http://127.0.0.1:8042/dicom-web", "http://localhost:8042/x", "http://[::1]/x"):
        assert credentials_for(private).token == "t"
    for open_road in ("http://pacs.example.org/x", "http://10.0.0.5/x", "http://localhost.evil.org/x"):
        with pytest.raises(FedRTError, match="not https"):
            credentials_for(open_road)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ('["https://x"]\ntoken = "t"\n', 0o640, "chmod 600"),
        ('["https://x"]\ntoken = "geheim\n', 0o600, "no TOML"),
        ('["https://x"]\ntocken = "geheim"\n', 0o600, "tocken is no setting"),
        ('token = "geheim"\n', 0o600, "write"),
        (f'["{URL}"]\ntoken = "geheim"\nca = "/no/ca.pem"\n', 0o600, "/no/ca.pem"),
    ],
)
def test_a_file_that_will_not_do_is_explained_without_its_secrets(tmp_path, text, mode, said):
    with pytest.raises(FedRTError, match=said) as caught:
        credentials_for(URL, write(tmp_path / "c.toml", text, mode))
    assert "geheim" not in str(caught.value)


def test_a_file_that_is_not_there():
    with pytest.raises(FedRTError, match="cannot be read"):
        credentials_for(URL, "/no/credentials.toml")
