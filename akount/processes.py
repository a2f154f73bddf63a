"""How our processes hang together and end: each dies with its parent, however that happens, and heeds the same signals."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""Each of them means: finish what you do, close in order, end."""

LIBC = ctypes.CDLL(None, use_errno=True)
"""The C library, for what Python has no call for."""


def die_with_parent(parent: int | None = None, how: signal.Signals = signal.SIGKILL) -> None:
    """Asks the kernel to send this process a signal when its parent dies. Given the parent's pid, a parent that died
    before this call counts too."""
    LIBC.prctl(PR_SET_PDEATHSIG, how)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), how)


@contextmanager
def loading() -> Iterator[None]:
    """For what stays as long as the process does: code, models. The garbage collector does not interrupt the loading to look
    for what could go, which takes a fifth of it, and does not look at it later: a fork's pages stay shared."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def resident(*pids: int) -> int:
    """Bytes of memory that these processes hold, as the kernel counts; who is gone holds none."""
    pages = 0
    for pid in pids:
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def leave(*, clean: bool) -> NoReturn:
    """Ends this process at once, with 0 or 1, after it has closed what it had open: a thread that hangs in somebody else's
    server would hold up an ordinary end."""
    sys.stderr.flush()
    os._exit(0 if clean else 1)
