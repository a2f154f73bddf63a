"""TLS in front of a plain server: the Redis-protocol server in the wheel is built without it."""

import select
import socket
import socketserver
import ssl
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import trustme


class TlsFront(socketserver.ThreadingTCPServer):
    """Speaks TLS with a certificate for `name`, signed by `ca`, and hands everything on to the server at `url`.

    Use it in a `with`. It ends TLS outside the server's process; what a client sees of it is the real thing."""

    daemon_threads = True

    def __init__(self, url: str, ca: trustme.CA, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Caller)
        parts = urlsplit(url)
        self.behind = (parts.hostname or "", parts.port or 0)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(name).configure_cert(self.context)
        self.accepted = 0

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.shutdown()
        self.server_close()


class _Caller(socketserver.BaseRequestHandler):
    server: TlsFront

    def handle(self) -> None:
        try:
            with self.server.context.wrap_socket(self.request, server_side=True) as caller:
                self.server.accepted += 1
                with socket.create_connection(self.server.behind) as behind:
                    _carry(caller, behind)
        except OSError:  # the client refused our certificate, or went away
            pass


def _carry(caller: ssl.SSLSocket, behind: socket.socket) -> None:
    """Both ways, in one thread: TLS sockets do not bear two."""
    while True:
        ready = [caller] if caller.pending() else select.select([caller, behind], [], [])[0]
        for source, target in ((caller, behind), (behind, caller)):
            if source in ready:
                data = source.recv(65536)
                if not data:
                    return
                target.sendall(data)
