"""Encrypted DICOM connections (PS3.15 B.9 and BCP 195): TLS 1.2 or later, the other side's certificate always checked."""

import ssl
from pathlib import Path

from ..errors import FedRTError
from .addresses import Tls


def client_context(tls: Tls) -> ssl.SSLContext:
    """For connections to the PACS: trusts `tls.ca` (or the system's CAs), shows `tls.cert` where there is one.

    Raises:
        FedRTError: one of the files is no certificate or key.
    """
    context = _with_files(ssl.PROTOCOL_TLS_CLIENT, tls)
    if not tls.ca:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def server_context(tls: Tls) -> ssl.SSLContext:
    """For the storage SCP of C-MOVE: shows `tls.cert`; with `tls.ca`, only nodes with a certificate of that CA may connect.

    Raises:
        FedRTError: no certificate was named, or one of the files is none.
    """
    if not tls.cert:
        raise FedRTError(
            "C-MOVE over TLS needs a certificate of this computer: add tls_cert and tls_key, or use C-GET."
        )
    context = _with_files(ssl.PROTOCOL_TLS_SERVER, tls)
    if tls.ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _with_files(protocol: int, tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        path = tls.ca
        if tls.ca:
            context.load_verify_locations(cafile=str(Path(tls.ca).expanduser()))
        path = tls.cert
        if tls.cert:
            # Without a password callback OpenSSL would ask on the terminal for that of an encrypted key.
            context.load_cert_chain(Path(tls.cert).expanduser(), Path(tls.key).expanduser(), password=lambda: "")
    except (ssl.SSLError, OSError, ValueError):
        raise FedRTError(
            f"{path} cannot be used for TLS: an unencrypted PEM file that matches its key is needed."
        ) from None
    return context
