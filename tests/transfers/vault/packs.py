"""What is put into a pack, and how it is got back."""

import os

from transfers import vault

KEY = bytes(range(32))
PREFIX = (b"st-elsewhere", b"t1", b"p1")
CT = os.urandom(530_000)
MR = os.urandom(70_000)


def put(pack: vault.PackWriter, content: bytes) -> vault.Stretch:
    pack.begin()
    for start in range(0, len(content), 65536):
        pack.write(memoryview(content)[start : start + 65536])
    return pack.end()


def get(
    pack: vault.PackWriter,
    stretch: vault.Stretch,
    start: int = 0,
    stop: int | None = None,
    *,
    prefix: vault.AadPrefix = PREFIX,
) -> bytes:
    chunks = vault.read(pack.name, key=KEY, aad_prefix=prefix, stretch=stretch, start=start, stop=stop)
    return b"".join(chunks)
