"""The process that reads: loads its libraries once, then forks a confined child for each document that it is handed.

`python -m akount.extraction.reader FD PARENT LOADS` is started by sandbox.py and by nobody else. It talks over the socket
FD: a request brings a task, limits and two descriptors (the file, the pipe for the answer); the answer says how the child
ended. What it loads (engines.Loads) is what its children can do at once, and what each fork costs.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from akount.errors import Unreadable
from akount.extraction import confine, engines, pages, structure
from akount.extraction.engines import Loads, NeedsModels
from akount.processes import STOP_SIGNALS, die_with_parent, loading
from akount.readings import ReadingOptions, Source, reading_to_json

Say = Callable[[dict[str, Any]], None]


def main() -> None:
    """Serves requests until the other end closes."""
    die_with_parent(int(sys.argv[2]))
    for number in (*STOP_SIGNALS, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the worker decides
    channel, loads = socket.socket(fileno=int(sys.argv[1])), Loads(sys.argv[3])
    with loading():
        confine.warm()
        engines.warm(loads)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    channel.send(b'{"ready": true}')
    while True:
        data, descriptors, _flags, _address = socket.recv_fds(channel, 4096, 2)
        if not data:
            return
        request = {**json.loads(data), "mapped": mapped, "models": loads is Loads.MODELS}
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            _child(parent, channel, request, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(json.dumps(_await(pid, float(request["seconds"]), channel)).encode())


def _await(pid: int, seconds: float, channel: socket.socket) -> dict[str, Any]:
    """How the child ended; killed with all of its own when its time is up or nobody listens any more."""
    handle = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(channel, select.POLLHUP | select.POLLRDHUP)
    events = poll.poll(seconds * 1000)
    timed_out = not events
    if not any(fd == handle for fd, _ in events):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os.close(handle)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # grandchildren, if any, survive their parent
    died = os.WIFSIGNALED(status)
    return {"timed_out": timed_out, "signal": os.WTERMSIG(status) if died else 0, "exit": 0 if died else os.WEXITSTATUS(status)}


def _child(parent: int, channel: socket.socket, request: dict[str, Any], file: int, pipe: int) -> NoReturn:
    os.setsid()
    die_with_parent(parent)
    channel.close()
    _limit(request)

    def say(message: dict[str, Any]) -> None:
        left = json.dumps(message).encode() + b"\n"
        while left:
            left = left[os.write(pipe, left) :]

    try:
        confine.no_files()
        confine.no_network_no_programs()
        say(_perform(request, file, say))
    except MemoryError:
        say({"error": {"sort": "memory", "code": "out_of_memory", "detail": ""}})
    except BaseException as error:  # noqa: BLE001  parsers raise anything; the parent hears what it was
        say({"error": {"sort": "crash", "code": "crashed", "detail": type(error).__name__}})
    finally:
        os._exit(0)


def _perform(request: dict[str, Any], file: int, say: Say) -> dict[str, Any]:
    data = os.pread(file, os.fstat(file).st_size, 0)
    try:
        return _TASKS[request["task"]](request, _source(data, request), say)
    except NeedsModels:
        return {"needs_models": True}
    except Unreadable as error:
        return {"error": {"sort": "unreadable", "code": error.code, "detail": error.detail}}


def _source(data: bytes, request: dict[str, Any]) -> Source:
    return Source(data, str(request["media_type"]), ReadingOptions.of(request.get("options")))


def _read(request: dict[str, Any], source: Source, say: Say) -> dict[str, Any]:
    """What the document says."""

    def report(share: float) -> None:
        say({"progress": float(share)})

    limits = {name: int(request[name]) for name in ("max_pages", "max_pixels")}
    reading = engines.read_source(source, report, **limits, models=request["models"])
    return {"reading": reading_to_json(reading)}


def _look(request: dict[str, Any], source: Source, _say: Say) -> dict[str, Any]:
    """How the file is built: its pages."""
    return {"pages": structure.examine(source, int(request["max_pages"]), int(request["max_pixels"]))}


def _page(request: dict[str, Any], source: Source, _say: Say) -> dict[str, Any]:
    """One page as a picture."""
    picture = pages.picture(source, int(request["number"]), int(request["max_pages"]), int(request["max_pixels"]))
    return {"picture": base64.b64encode(picture).decode()}


def _copy(request: dict[str, Any], source: Source, _say: Say) -> dict[str, Any]:
    """What may be shown of it to others."""
    from akount.extraction import copies

    masks = [str(mask) for mask in request["masks"]]
    return {"copy": copies.copy_to_json(copies.make(source, masks, int(request["max_pages"]), int(request["max_pixels"])))}


_TASKS: dict[str, Callable[[dict[str, Any], Source, Say], dict[str, Any]]] = {
    "read": _read,
    "look": _look,
    "page": _page,
    "copy": _copy,
}


def _limit(request: dict[str, Any]) -> None:
    """Address space beyond the bytes that are mapped already, processor time, no files, no processes, no core dump."""
    seconds = int(float(request["seconds"])) + 1
    for limit, value in (
        (resource.RLIMIT_AS, int(request["mapped"]) + (int(request["memory_mb"]) << 20)),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    main()
