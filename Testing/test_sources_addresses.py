"""SOURCE as typed."""

import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.sources.addresses import (
    Dicomweb,
    Folder,
    Pacs,
    SlicerDatabase,
    Tls,
    is_remote,
    parse_source,
)


def test_folders_and_slicer_databases_are_told_apart(tmp_path):
    assert parse_source(str(tmp_path)) == Folder(tmp_path)
    (tmp_path / "ctkDICOM.sql").touch()
    assert parse_source(str(tmp_path)) == SlicerDatabase(tmp_path)
    assert parse_source(str(tmp_path / "ctkDICOM.sql")) == SlicerDatabase(tmp_path)


def test_pacs_addresses():
    assert parse_source("pacs:ARCHIVE@10.0.0.5:104") == Pacs("ARCHIVE", "10.0.0.5", 104)
    assert parse_source("PACS:My Archive@[::1]:11112") == Pacs("My Archive", "::1", 11112)
    address = parse_source("pacs:A@h:104?calling=ME&retrieve=move&store_port=4000&store_host=127.0.0.1&timeout=5&tls=1")
    assert address == Pacs("A", "h", 104, "ME", "move", 4000, "127.0.0.1", timeout=5.0, tls=Tls())
    assert str(address) == "pacs:A@h:104"


def test_dicomweb_addresses():
    assert parse_source("https://pacs.example.org/dicom-web/") == Dicomweb("https://pacs.example.org/dicom-web")
    assert is_remote(" https://x") and is_remote("pacs:x") and not is_remote("C:/data")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pacs:ARCHIVE@10.0.0.5", "is no PACS address"),
        ("pacs:@10.0.0.5:104", "is no PACS address"),
        ("pacs:ARCHIVE@10.0.0.5:99999", "is no PACS address"),
        ("pacs:A_VERY_LONG_APPLICATION@h:104", "1 to 16"),
        ("pacs:A@h:104?retrieve=push", "neither get nor move"),
        ("pacs:A@h:104?store_port=x", "store_port=x"),
        ("pacs:A@h:104?password=x", "password is no option"),
        ("pacs:A@h:104?tls_cert=/no.pem", "belong together"),
        ("pacs:A@h:104?tls_ca=/no/such.pem", "does not exist"),
        ("https://me:secret@pacs/dicom-web", "may not hold a user or password"),
        ("https://pacs/dicom-web?token=1", "is no DICOMweb address"),
    ],
)
def test_wrong_addresses_are_explained(text, said):
    with pytest.raises(FedRTError, match=said) as caught:
        parse_source(text)
    assert "secret" not in str(caught.value)
