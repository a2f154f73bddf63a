"""What a child that parses an untrusted file may no longer ask of the kernel, where the kernel offers to refuse it.

Three things, each of which holds without the others, and none of which needs a privilege or a library:

- seccomp: no sockets, programs, processes, tracing, mounting or new namespaces. The filter is classic BPF over the number of
  the system call; a new thread is let be, a new process is not.
- Landlock: no file is opened but those of Python and of this program, and those for reading only.
- limits: address space, processor time, files, processes, core dumps (reader.py).
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import socket
import struct
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from akount.processes import LIBC

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
ALLOW = 0x7FFF0000
DENY = 0x00050000 | errno.EPERM
UNKNOWN = 0x00050000 | errno.ENOSYS
KILL = 0x80000000
CLONE_THREAD = 0x10000
CLONE3 = 435
"""Its flags are behind a pointer, which a filter cannot follow: told that there is no such call, libc asks for clone."""

# architecture as the kernel's audit names it, clone, then the numbers of the denied calls
_X86_64 = (
    0xC000003E,
    56,
    (41, 42, 43, 49, 50, 53, 288, 57, 58, 59, 322, 101, 310, 311, 165, 272, 308, 155, 161, 321, 425, 298, 250, 246),
)
_AARCH64 = (
    0xC00000B7,
    220,
    (198, 203, 202, 200, 201, 199, 242, 221, 281, 117, 270, 271, 40, 97, 268, 41, 51, 280, 425, 241, 219, 104),
)
_MACHINES = {"x86_64": _X86_64, "aarch64": _AARCH64}
X32_BIT = 0x40000000

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
_ACCESSES = {1: 13, 2: 14, 3: 15, 5: 16}
"""From which version of Landlock on how many kinds of access can be refused: running, writing, reading, making, moving, …"""
_READ = 1 << 2 | 1 << 3
_BENEATH = 1
PROGRAM = Path(__file__).resolve().parent.parent


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def no_network_no_programs() -> bool:
    """Confines this process for good. False where the kernel or the machine offers no such filter."""
    program = _filter()
    if program is None or LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    done: int = LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    return done == 0


def no_files() -> bool:
    """Keeps this process for good from opening files, but for reading those of the program and of Python. What is open
    stays open. False where the kernel offers no Landlock."""
    rules = _rules()
    if rules is None or LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    done: int = LIBC.syscall(LANDLOCK_RESTRICT, rules, 0)
    return done == 0


def warm() -> None:
    """Make the rules once, for all the children."""
    _filter()
    _rules()


@functools.cache
def _filter() -> _Filter | None:
    """The program of the kernel's filter; None for a machine whose calls are not known here."""
    known = _MACHINES.get(platform.machine())
    if known is None:
        return None
    code = _program(*known)
    return _Filter(len(code) // 8, code)


@functools.cache
def _rules() -> int | None:
    """A descriptor of Landlock's rules; None where the kernel offers none. It stays open: who is kept from opening files
    gains nothing by it."""
    version = LIBC.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return None
    refused = (1 << max(count for since, count in _ACCESSES.items() if since <= version)) - 1
    rules: int = LIBC.syscall(LANDLOCK_CREATE, struct.pack("Q", refused), ctypes.c_size_t(8), 0)
    if rules < 0:
        return None
    for path in _of_python():
        _let_read(rules, path)
    return rules


def _of_python() -> frozenset[Path]:
    """Where modules and libraries are loaded from, also late ones; settings and data lie elsewhere."""
    paths = {Path(path) for path in (*sysconfig.get_paths().values(), *sys.path[1:]) if path}
    every = {*paths, PROGRAM, Path("/lib"), Path("/usr/lib")} - {PROGRAM.parent}
    return frozenset(path for path in every if path.is_dir())


def _let_read(rules: int, path: Path) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    LIBC.syscall(LANDLOCK_ADD, rules, _BENEATH, struct.pack("=Qi", _READ, handle), 0)
    os.close(handle)


def missing() -> list[str]:
    """What this kernel does not offer, by name; tried in children of this process."""
    return [name for name, offends in {"seccomp": _opens_a_socket, "Landlock": _opens_a_file}.items() if not _refused(offends)]


def _refused(offends: Callable[[], None]) -> bool:
    """Whether a confined child is really kept from it."""
    pid = os.fork()
    if pid == 0:
        try:
            no_files()
            no_network_no_programs()
            offends()
        except PermissionError:
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _opens_a_socket() -> None:
    socket.socket().close()


def _opens_a_file() -> None:
    os.close(os.open("/etc/hostname" if Path("/etc/hostname").exists() else "/etc/passwd", os.O_RDONLY))


def _program(architecture: int, clone: int, denied: tuple[int, ...]) -> bytes:
    """if architecture differs: kill; a number of the x32 table or one of the denied: deny; clone3: unknown; clone without
    the flag of threads: deny; allow."""
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    last = len(denied) + 4  # how many steps follow the one that looks for x32, up to the first answer
    steps = [
        (load, 0, 0, 4),
        (equal, 1, 0, architecture),
        (answer, 0, 0, KILL),
        (load, 0, 0, 0),
        (at_least, last + 1, 0, X32_BIT),
        *((equal, last - place, 0, number) for place, number in enumerate(denied)),
        (equal, 5, 0, CLONE3),
        (equal, 0, 2, clone),
        (load, 0, 0, 16),
        (any_bit, 0, 1, CLONE_THREAD),
        (answer, 0, 0, ALLOW),
        (answer, 0, 0, DENY),
        (answer, 0, 0, UNKNOWN),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
