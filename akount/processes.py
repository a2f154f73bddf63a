"""How our processes hang together and end: each dies with its parent, however that happens, and heeds the same signals."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
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


def leave(*, clean: bool) -> NoReturn:
    """Ends this process at once, with 0 or 1, after it has closed what it had open: a thread that hangs in somebody else's
    server would hold up an ordinary end."""
    sys.stderr.flush()
    os._exit(0 if clean else 1)
