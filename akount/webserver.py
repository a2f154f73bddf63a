"""Gunicorn as we need it: every signal to stop is a gentle one, and what is open is closed in order and in time (H4).

Left to itself gunicorn cuts requests off at INT and QUIT, resets those who connect while it leaves, closes nothing in a
worker that is late, and ends with 0 whatever became of its workers.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from akount import logs
from akount.lifecycle import CLOSE_SECONDS, Runtime, patience
from akount.processes import STOP_SIGNALS, leave

log = logs.get(__name__)

SO_ATTACH_FILTER = 26
BPF_RETURN = 6


class Ties:
    """What the master and its workers know of each other beyond what gunicorn tells them. Made before the fork."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 1)
        self._heard, self._said = os.pipe()
        os.set_blocking(self._heard, False)
        os.set_blocking(self._said, False)
        self._expected: set[int] = set()
        self._well: set[int] = set()

    @property
    def all_leave(self) -> bool:
        """Whether the master is leaving, so that nobody else will accept what a worker does not."""
        return self._page[0] == 1

    def leave(self, workers: set[int]) -> None:
        """The master is leaving, and these must end in order."""
        self._page[0] = 1
        self._expected = workers

    def farewell(self) -> None:
        """A worker has ended in order."""
        with suppress(BlockingIOError):  # nobody has listened to thousands of them: then nobody will miss this one
            os.write(self._said, b"%d\n" % os.getpid())

    @property
    def clean(self) -> bool:
        """Whether all that were to end in order have done so; gunicorn itself forgets how its workers ended."""
        self.hear()
        return self._expected <= self._well

    def hear(self) -> None:
        """Takes in what workers have said."""
        said = b""
        with suppress(BlockingIOError):
            while more := os.read(self._heard, 1 << 16):
                said += more
        self._well |= {int(pid) for pid in said.split()}


def take_charge(server: Any) -> Ties:
    """Makes the master stop gently at every signal, once, and blocks signals in a new worker until it can heed them:
    between its fork and its own handlers it would take them for the master's."""
    ties = Ties()

    def stop() -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        server.SIG_QUEUE = type(server.SIG_QUEUE)()  # a second one that came already would cut requests off
        log.info("stopping", part="web", workers=len(server.WORKERS))
        ties.leave(set(server.WORKERS))
        raise StopIteration  # gunicorn's own way out of its loop

    server.handle_term = server.handle_int = server.handle_quit = stop
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS),
    )
    return ties


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """A worker of gunicorn that ends by a thread of its own, so that nothing its main thread waits for can hold it up."""

    ties: Ties

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._requests = 0
        self._counting = threading.Lock()
        self._asked = threading.Event()
        self._answered = threading.Event()

    def init_signals(self) -> None:
        """INT and QUIT mean what TERM means: Ctrl-C reaches the whole group of processes at once."""
        super().init_signals()
        for number in STOP_SIGNALS:
            signal.signal(number, self.handle_exit)
            signal.siginterrupt(number, False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """The first signal starts the end; a second one neither hurries it nor starts it again."""
        if self.alive:
            super().handle_exit(sig, frame)
            self._asked.set()  # by the first only: a handler that interrupts itself here would wait for itself

    def run(self) -> None:
        """Serves until it is told to stop and the last connection is gone; then the process ends, clean with 0."""
        ending = threading.Thread(target=self._end, name="end", daemon=True)
        ending.start()
        try:
            super().run()
        finally:
            self._answered.set()
            self._asked.set()
            ending.join()

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Counts the requests that are being answered."""
        with self._counting:
            self._requests += 1
        try:
            return super().handle_request(req, conn)
        finally:
            with self._counting:
                self._requests -= 1

    def accept(self, listener: Any) -> None:
        """At the end of the server another worker may have closed the door that all share."""
        try:
            super().accept(listener)
        except OSError:
            if not self.ties.all_leave:
                raise

    def set_accept_enabled(self, enabled: bool) -> None:
        """At the end of the server whoever has connected is still taken in, and nobody after them."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive and self.ties.all_leave:
            for listener in self.sockets:
                self._close_door(listener)

    def _close_door(self, listener: Any) -> None:
        """Without this the kernel would go on to let clients connect, to be reset when the process ends. First it hears no
        more of who knocks (they try again a second later, and are refused), so that after the last one nobody comes."""
        nothing = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RETURN, 0, 0, 0))
        with suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(nothing)))
        listener.setblocking(False)
        known = -1
        while known != self.nr_conns:
            known = self.nr_conns
            self.accept(listener)
        with suppress(OSError):  # another worker did
            listener.shutdown(socket.SHUT_RD)

    def _end(self) -> None:
        self._asked.wait()
        started = time.monotonic()
        log.info("stopping", part="web process", requests=self._requests)
        runtime: Runtime = self.wsgi.extensions["akount"]
        clean = runtime.shut_down(CLOSE_SECONDS, only="streams")
        self._answered.wait(max(0, started + patience(runtime.settings) - time.monotonic()))
        cut, ms = self._requests, _since(started)
        (log.error if cut else log.info)("closed", part="requests", ms=ms, cut_off=cut)
        clean = runtime.shut_down(CLOSE_SECONDS) and clean and not cut
        log.info("stopped", part="web process", clean=clean, ms=_since(started))
        if clean:
            self.ties.farewell()
        leave(clean=clean)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
