"""Something that speaks clamd's protocol, for tests; and the real one, where it is installed."""

import contextlib
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from servers import free_port

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}" + rb"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURE = "Eicar-Signature"


class Clamd:
    """Answers INSTREAM and PING as clamd does; `says` replaces its answer, None is silence and a closed line."""

    def __init__(self, limit: int = 25 << 20) -> None:
        self.limit = limit
        self.says: bytes | None = b""
        self.heard: list[bytes] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._door.accept()
                with line, contextlib.suppress(OSError):
                    self._converse(line)

    def _converse(self, line: socket.socket) -> None:
        stream = line.makefile("rb")
        command = stream.read(len(b"zPING\0")) or b""
        if command == b"zPING\0":
            line.sendall(b"PONG\0")
            return
        assert command + stream.read(len(b"zINSTREAM\0") - len(command)) == b"zINSTREAM\0"
        data = b""
        while size := struct.unpack(">I", stream.read(4))[0]:
            data += stream.read(size)
            if len(data) > self.limit:
                line.sendall(b"INSTREAM size limit exceeded. ERROR\0")
                return
        self.heard.append(data)
        if self.says is not None:
            line.sendall(self.says or self._verdict(data))

    @staticmethod
    def _verdict(data: bytes) -> bytes:
        return f"stream: {SIGNATURE} FOUND\0".encode() if EICAR in data else b"stream: OK\0"


def installed() -> bool:
    return shutil.which("clamd") is not None


@contextlib.contextmanager
def real(directory: Path) -> Iterator[int]:
    """clamd itself, with a signature of the EICAR string and no others; its port."""
    (directory / "db").mkdir()
    (directory / "db" / "test.ndb").write_text(f"{SIGNATURE}:0:*:{EICAR.hex()}\n")
    port = free_port()
    settings = {
        "DatabaseDirectory": directory / "db",
        "TCPSocket": port,
        "TCPAddr": "127.0.0.1",
        "Foreground": "yes",
        "LogFile": directory / "clamd.log",
        "TemporaryDirectory": directory,
        "StreamMaxLength": "12M",
    }
    (directory / "clamd.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    with (directory / "out").open("wb") as out:
        process = subprocess.Popen(["clamd", "-c", directory / "clamd.conf"], stdout=out, stderr=out)
    try:
        ends = time.monotonic() + 30
        while time.monotonic() < ends and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        assert process.poll() is None, (directory / "out").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(20)
