"""What a child that parses an untrusted file may no longer ask of the kernel: a seccomp filter, where there is seccomp.

Denied with EPERM: sockets, starting programs, tracing, mounting and new namespaces. The filter is classic BPF over the
number of the system call, set with prctl after no_new_privs, so it needs no privilege and no library.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
ALLOW = 0x7FFF0000
DENY = 0x00050000 | errno.EPERM
KILL = 0x80000000

# architecture as the kernel's audit names it, then the numbers of the denied calls
_X86_64 = (
    0xC000003E,
    (41, 42, 43, 49, 50, 53, 288, 59, 322, 101, 310, 311, 165, 272, 308, 155, 161, 321, 425, 298, 250, 246, 435),
)
_AARCH64 = (
    0xC00000B7,
    (198, 203, 202, 200, 201, 199, 242, 221, 281, 117, 270, 271, 40, 97, 268, 41, 51, 280, 425, 241, 219, 104, 435),
)
_MACHINES = {"x86_64": _X86_64, "aarch64": _AARCH64}
X32_BIT = 0x40000000


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def no_network_no_programs() -> bool:
    """Confines this process for good. False where the kernel or the machine offers no such filter."""
    known = _MACHINES.get(platform.machine())
    if known is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    code = _program(*known)
    program = _Filter(len(code) // 8, code)
    done: int = libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    return done == 0


def works() -> bool:
    """Whether a confined child of this process is really kept from opening a socket."""
    pid = os.fork()
    if pid == 0:
        confined = no_network_no_programs()
        try:
            socket.socket().close()
        except PermissionError:
            os._exit(0 if confined else 1)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _program(architecture: int, denied: tuple[int, ...]) -> bytes:
    """if architecture differs: kill; if the number is one of the denied, or of the x32 table: deny; allow."""
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06
    steps = [
        (load, 0, 0, 4),
        (equal, 1, 0, architecture),
        (answer, 0, 0, KILL),
        (load, 0, 0, 0),
        (at_least, len(denied) + 1, 0, X32_BIT),
    ]
    steps += [(equal, len(denied) - place, 0, number) for place, number in enumerate(denied)]
    steps += [(answer, 0, 0, ALLOW), (answer, 0, 0, DENY)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
