"""FedRT's data room: DICOM in, harmonised de-identified datasets out; RT geometry both ways."""

__version__ = "0.1.0"
