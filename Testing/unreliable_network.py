"""A network that breaks: a proxy on a loopback port that cuts connections in the middle of a transfer."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable


class UnreliableNetwork:
    """Forwards to 127.0.0.1:`port`; cuts a connection once it has brought `cut_after` bytes back, `times` times in all.

    `on_cut` is called at each cut, in the connection's own thread.
    """

    def __init__(
        self,
        port: int,
        *,
        cut_after: int,
        times: int,
        on_cut: Callable[[], None] | None = None,
        bytes_per_second: float | None = None,
    ) -> None:
        self._target, self._cut_after, self._left, self._on_cut = port, cut_after, times, on_cut
        self._speed = bytes_per_second
        self.connections = self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def __enter__(self) -> "UnreliableNetwork":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._forward, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client, self._cut_after), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        brought = 0
        with contextlib.suppress(OSError):
            while data := source.recv(8192):
                brought += len(data)
                if hasattr(socket, "TCP_QUICKACK"):  # a proxy that waits would make every object 40 ms slower
                    for end in (source, target):
                        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                if limit is not None and brought > limit and self._left > 0:
                    self._left -= 1
                    self.cuts += 1
                    if self._on_cut:
                        self._on_cut()
                    break
                target.sendall(data)
                if self._speed:
                    time.sleep(len(data) / self._speed)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
