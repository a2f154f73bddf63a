"""How our processes hang together: each dies with its parent, however that happens."""

from __future__ import annotations

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None, how: signal.Signals = signal.SIGKILL) -> None:
    """Asks the kernel to send this process a signal when its parent dies. Given the parent's pid, a parent that died
    before this call counts too."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, how)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), how)
