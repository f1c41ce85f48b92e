"""Child processes that read untrusted data: started when first needed, kept, killed when they misbehave.

Safe under threads (each call borrows a child of its own) and after a fork (a forked process starts anew).
"""

import fcntl
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from transfers import errors
from transfers.sandbox.child import LENGTHS, Header

START_SECONDS: Final = 30.0
MAX_HEADER: Final = 64 << 20
# A parser that leaks, or was led to, does not do so for ever.
CALLS_A_CHILD: Final = 2000
_PIPE: Final = 1 << 20
CHILDREN: Final = max(2, os.cpu_count() or 1)

_BOOT = "import sys; sys.path[:] = sys.argv[3:]; from transfers.sandbox.child import main; main(*sys.argv[1:3])"
# Arithmetic libraries would otherwise reserve address space for a thread a core.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a child answered: to be checked like any input, for what it read may have taken it over."""

    header: Header
    body: bytes


def call(module: str, header: Header, body: bytes = b"", *, seconds: float, max_reply: int) -> Reply:
    """Have `module.handle` deal with a request in a child, within this much wall-clock time.

    Raises SandboxKilled if the child died, stalled or answered too much, SandboxUnavailable if none starts.
    """
    with _pool(module).borrowed() as child:
        return child.ask(header, body, seconds=seconds, max_reply=max_reply)


def make_ready(module: str) -> None:
    """Have a first child of a module started beside whatever this process does, so that nobody waits for it."""
    _starter().submit(_pool(module).make_ready)


def isolation(module: str) -> frozenset[str]:
    """Which measures the kernel permitted a child: privileges, network, memory, files, syscalls."""
    with _pool(module).borrowed() as child:
        return child.isolation


class Child:
    """One process; any error while asking leaves it unusable."""

    def __init__(self, module: str) -> None:
        command = [sys.executable, "-I", "-B", "-X", "utf8", "-c", _BOOT, module, str(os.getpid()), *_paths()]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                bufsize=0,
            )
        except OSError as error:
            raise errors.SandboxUnavailable from error
        assert self._process.stdin and self._process.stdout
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        for pipe in (self._in, self._out):
            with suppress(OSError):  # a wish: an instance goes through in one piece, not in eight
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
        self.calls = 0
        try:
            hello = self._receive(deadline=time.monotonic() + START_SECONDS, max_reply=0)
        except errors.SandboxKilled as error:
            self.kill()
            raise errors.SandboxUnavailable from error
        self.isolation = frozenset(str(measure) for measure in hello.header["isolation"])

    def ask(self, header: Header, body: bytes, *, seconds: float, max_reply: int) -> Reply:
        self.calls += 1
        deadline = time.monotonic() + seconds
        text = json.dumps({**header, "seconds": seconds}).encode()
        self._send(LENGTHS.pack(len(text), len(body)) + text, deadline)
        self._send(body, deadline)
        return self._receive(deadline=deadline, max_reply=max_reply)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self.forget()
        self._process.wait()

    def forget(self) -> None:
        """Close our ends; a forked process must not keep its parent's child from noticing the end."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _send(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)
        while rest:
            self._wait(self._in, select.POLLOUT, deadline)
            try:
                rest = rest[os.write(self._in, rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise errors.SandboxKilled from error

    def _receive(self, *, deadline: float, max_reply: int) -> Reply:
        header_length, body_length = LENGTHS.unpack(self._take(LENGTHS.size, deadline))
        if header_length > MAX_HEADER or body_length > max_reply:
            raise errors.SandboxKilled
        text, body = self._take(header_length, deadline), self._take(body_length, deadline)
        try:
            header = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise errors.SandboxKilled from error
        if not isinstance(header, dict):
            raise errors.SandboxKilled
        return Reply(header, bytes(body))

    def _take(self, length: int, deadline: float) -> bytearray:
        taken = bytearray()
        while len(taken) < length:
            self._wait(self._out, select.POLLIN, deadline)
            piece = os.read(self._out, min(length - len(taken), 1 << 20))
            if not piece:
                raise errors.SandboxKilled
            taken += piece
        return taken

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise errors.SandboxKilled


class Pool:
    """The idle children of one module."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._idle: list[Child] = []
        self._places = threading.BoundedSemaphore(CHILDREN)

    @contextmanager
    def borrowed(self) -> Iterator[Child]:
        with self._places:
            child = self._take()
            try:
                yield child
            except BaseException:
                child.kill()
                raise
            if child.calls >= CALLS_A_CHILD:
                child.kill()
            else:
                self._idle.append(child)

    def make_ready(self) -> None:
        """For the starting thread; a child that does not start is told of when one is wanted."""
        with suppress(errors.SandboxUnavailable):
            self._idle.append(Child(self._module))

    def forget(self) -> None:
        for child in self._idle:
            child.forget()

    def _take(self) -> Child:
        with suppress(IndexError):
            while True:
                child = self._idle.pop()
                if child.is_alive():
                    return child
                child.kill()
        # The kernel's signal at a parent's death follows the thread that started the child, so one that
        # lasts as long as the process starts them all.
        return _starter().submit(Child, self._module).result()


_pools: dict[str, Pool] = {}
_starters: list[ThreadPoolExecutor] = []
_lock = threading.Lock()


def _pool(module: str) -> Pool:
    with _lock:
        return _pools.setdefault(module, Pool(module))


def _starter() -> ThreadPoolExecutor:
    with _lock:
        if not _starters:
            _starters.append(ThreadPoolExecutor(1, thread_name_prefix="sandbox-start"))
        return _starters[0]


def _paths() -> list[str]:
    return [os.path.abspath(path) for path in sys.path]  # noqa: PTH100 - sys.path holds text


def _start_anew() -> None:
    """After a fork: the children and the starting thread are the parent's."""
    global _lock
    _lock = threading.Lock()
    for pool in _pools.values():
        pool.forget()
    _pools.clear()
    _starters.clear()


os.register_at_fork(after_in_child=_start_anew)
