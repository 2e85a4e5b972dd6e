"""Associations with a PACS (PS3.8), and in plain words why there is none."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import FedRTError
from .addresses import Pacs
from .pacs_receiver import quick_handlers
from .remote import ConnectionLost
from .tls import client_context


class PacsConnection:
    """Makes associations with one node, from the calling AET and with the TLS files that its address names."""

    def __init__(self, address: Pacs) -> None:
        self.address, self.name = address, str(address)
        self._tls = client_context(address.tls) if address.tls else None

    @contextmanager
    def open(self, models: list, contexts=(), roles=(), handlers=()) -> Iterator[Any]:
        """An association that is released at the end, or aborted where the work in it did not come to its end."""
        association = self.associate(models, contexts, roles, handlers)
        try:
            yield association
        except BaseException:  # also Ctrl-C: a release would wait for what the PACS is still sending
            association.abort()
            raise
        end(association)

    def associate(self, models: list, contexts=(), roles=(), handlers=()):
        """An established association for `models` (SOP classes that must be accepted) and storage `contexts`.

        Raises:
            ConnectionLost: there is none now; another attempt may do.
            FedRTError: there will be none before somebody changes something.
        """
        from pynetdicom import AE, _config, build_context

        _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False  # they hold Patient IDs

        address = self.address
        ae = AE(ae_title=address.calling)
        ae.acse_timeout = ae.network_timeout = ae.dimse_timeout = address.timeout
        ae.connection_timeout = min(address.timeout, 10)
        tls = (self._tls, address.tls.name or address.host) if self._tls else None
        try:
            association = ae.associate(
                address.host, address.port, [*map(build_context, models), *contexts], address.aet,
                ext_neg=list(roles), tls_args=tls, evt_handlers=[*quick_handlers(), *handlers],
            )  # fmt: skip
        except OSError:  # the host name is not known
            association = None
        if association is None or not association.is_established:
            if association is not None and association.rejected_contexts:
                raise self._not_offered(bool(contexts))
            raise self._refusal(association)
        accepted = {context.abstract_syntax for context in association.accepted_contexts}
        if not set(models) <= accepted:
            end(association)
            raise self._not_offered(bool(contexts))
        return association

    def _not_offered(self, retrieving: bool) -> FedRTError:
        what = "C-GET; try retrieve=move" if retrieving else "what is asked of it"
        calling = self.address.calling
        return FedRTError(
            f"{self.name} does not offer {what} to {calling}; have that AET registered for query and retrieve."
        )

    def _refusal(self, association) -> Exception:
        """Why there is no association, in plain words: an error for good, or one that may pass."""
        if association is not None and association.is_rejected:
            answer = association.acceptor.primitive
            source, reason = answer.result_source, answer.diagnostic
            if (source, reason) == (1, 7):
                return FedRTError(f"{self.name} does not call itself {self.address.aet}; check the AET before the @.")
            if (source, reason) == (1, 3):
                aet = self.address.calling
                return FedRTError(
                    f"{self.name} does not know the calling AET {aet}; register it there or add ?calling=AET."
                )
            if answer.result == 2:
                return ConnectionLost(f"refused for now ({answer.reason_str})")
            return FedRTError(f"{self.name} refused the connection ({answer.reason_str}); ask its administrator.")
        return self._unreachable()

    def _unreachable(self) -> Exception:
        """Connect once more, step by step, to tell which step fails."""
        host, port, seconds = self.address.host, self.address.port, min(self.address.timeout, 10)
        try:
            plain = socket.create_connection((host, port), timeout=seconds)
        except socket.gaierror:
            return FedRTError(f"{self.name} is not reachable: the host name {host} is not known; check it.")
        except TimeoutError:
            return ConnectionLost("is not reachable: no answer in time; check host, port and firewall")
        except OSError as error:
            return ConnectionLost(f"is not reachable ({error.strerror or 'no route'}); check host and port")
        with plain:
            if self._tls is None:
                return ConnectionLost("closed the connection without an answer; if it wants TLS, add ?tls=1")
            try:
                with self._tls.wrap_socket(plain, server_hostname=self.address.tls.name or host):
                    return ConnectionLost("closed the encrypted connection; if it wants a certificate, add tls_cert")
            except ssl.SSLCertVerificationError as error:
                cause = error.verify_message
                return FedRTError(
                    f"{self.name} shows a certificate that is not trusted ({cause}); check tls_ca and tls_name."
                )
            except OSError:
                return FedRTError(
                    f"{self.name} does not complete the TLS handshake; check that the port is its encrypted one."
                )


def end(association) -> None:
    """Release, or abort what does not answer any more."""
    if association.is_established:
        association.release()
    if not association.is_released and not association.is_aborted:
        association.abort()
