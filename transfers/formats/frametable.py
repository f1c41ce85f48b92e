"""The frame table of an instance as bytes for a database column.

Version byte `N`: native frames, offset and length of the first and their count. `E`: encapsulated frames, the
arrays of `frames.EncapsulatedFrames`, deflated, since offsets of many frames are alike.
"""

import struct
import zlib
from array import array

from transfers import errors
from transfers.formats import frames

_NATIVE = struct.Struct("<QQI")
_ENCAPSULATED = struct.Struct("<II")


def pack(table: frames.Frames) -> bytes:
    """The bytes of a table."""
    if isinstance(table, frames.NativeFrames):
        return b"N" + _NATIVE.pack(table.offset, table.length, table.count)
    columns = [array("Q", column).tobytes() for column in (table.offsets, table.lengths, table.firsts)]
    sizes = _ENCAPSULATED.pack(len(table.offsets), len(table.firsts))
    return b"E" + sizes + zlib.compress(b"".join(columns), 1)


def unpack(data: bytes) -> frames.Frames:
    """The table back; Integrity where the bytes are none of ours."""
    kind, body = data[:1], data[1:]
    try:
        if kind == b"N":
            return frames.NativeFrames(*_NATIVE.unpack(body))
        if kind != b"E":
            raise errors.Integrity
        fragments, firsts = _ENCAPSULATED.unpack_from(body)
        numbers = array("Q")
        numbers.frombytes(zlib.decompress(body[_ENCAPSULATED.size :]))
    except (struct.error, zlib.error, ValueError) as error:
        raise errors.Integrity from error
    if len(numbers) != 2 * fragments + firsts:
        raise errors.Integrity
    return frames.EncapsulatedFrames(numbers[:fragments], numbers[fragments : 2 * fragments], numbers[2 * fragments :])
