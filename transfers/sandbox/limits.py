"""What a process gives up before it reads untrusted data (Linux; stdlib only).

Each measure is taken where the kernel permits it, and the process says which it got: some containers
forbid user namespaces, and other systems know no seccomp. What is left always holds: empty environment,
bounded memory, time and files.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
import time
from typing import Final

MEMORY: Final = 3 << 29  # 1.5 GiB of address space
OPEN_FILES: Final = 64

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000

# What Python and decoders need once everything is imported: memory, open pipes, threads, the clock, the end.
# No open, no socket, no exec, no signal to others: those answer "not permitted".
_ALLOWED: Final[dict[str, tuple[int, tuple[int, ...]]]] = {
    "x86_64": (
        0xC000003E,
        (
            # read write close fstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn
            *(0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15),
            # readv writev sched_yield mremap madvise getpid exit getrlimit getrusage sigaltstack gettid futex
            *(19, 20, 24, 25, 28, 39, 60, 97, 98, 131, 186, 202),
            # sched_getaffinity restart_syscall clock_gettime clock_nanosleep exit_group ppoll set_robust_list
            *(204, 219, 228, 230, 231, 271, 273),
            # setrlimit prlimit64 getrandom rseq
            *(160, 302, 318, 334),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            # close lseek read write readv writev ppoll fstat exit exit_group futex set_robust_list
            *(57, 62, 63, 64, 65, 66, 73, 80, 93, 94, 98, 99),
            # clock_gettime clock_nanosleep sched_getaffinity sched_yield restart_syscall sigaltstack rt_sigaction
            *(113, 115, 123, 124, 128, 132, 134),
            # rt_sigprocmask rt_sigreturn getrlimit setrlimit getrusage getpid gettid brk munmap mremap mmap mprotect
            *(135, 139, 163, 164, 165, 172, 178, 214, 215, 216, 222, 226),
            # madvise prlimit64 getrandom rseq
            *(233, 261, 278, 293),
        ),
    ),
}
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _NOT_PERMITTED, _KILL = 0x7FFF0000, 0x00050001, 0x80000000


def enter(parent: int) -> list[str]:
    """Leave network and privileges behind; called before anything but this is imported."""
    libc = ctypes.CDLL(None, use_errno=True)
    got = []
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        got.append("privileges")
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        got.append("network")
    # Set last, for a change of credentials clears it; a parent that is already gone sends no signal.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("the parent is gone")
    return got


def close() -> list[str]:
    """Close the last doors, once everything that will be needed is imported."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    return ["memory", "files", "syscalls"] if _filter_syscalls() else ["memory"]


def allow_cpu(seconds: float) -> None:
    """Let the process use this much more processor time; beyond it the kernel ends it."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, hard))


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _filter_syscalls() -> bool:
    known = _ALLOWED.get(platform.machine())
    if known is None:
        return False
    code = _filter(*known)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0) == 0)


def _filter(architecture: int, allowed: tuple[int, ...]) -> bytes:
    """A seccomp program: another architecture ends the process, an unlisted call fails."""
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    for place, number in enumerate(allowed):
        steps.append((_EQUAL, len(allowed) - place, 0, number))
    steps += [(_RETURN, 0, 0, _NOT_PERMITTED), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
