"""TFRecord without TensorFlow: framed bytes at known places, both checksums checked at each read.

A record is the data's length in 8 bytes, a checksum of these in 4, the data, its checksum in 4.
"""

import os
import struct
from collections.abc import Sequence

import google_crc32c
import numpy as np

HEADER, FOOTER = 12, 4


def masked_crc(data: bytes) -> int:
    """CRC32C, rotated and shifted: a checksum of data that holds checksums is weak unmasked."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """One record as it stands in the file."""
    length = struct.pack("<Q", len(data))
    return b"".join(
        (length, struct.pack("<I", masked_crc(length)), data, struct.pack("<I", masked_crc(data)))
    )


class Shard:
    """Random access to one file whose records have the given lengths; safe to share by threads.

    A file that is not exactly as long as its records is refused as a whole, and ValueError says
    why a record is bad.
    """

    def __init__(self, path: str, lengths: Sequence[int]):
        self._fd = -1
        ends = np.cumsum(np.asarray(lengths, np.int64) + HEADER + FOOTER)
        self._starts = ends - lengths - HEADER - FOOTER
        self._lengths = lengths
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        size, expected = os.fstat(self._fd).st_size, int(ends[-1]) if len(ends) else 0
        if size != expected:
            state = "truncated" if size < expected else "too long"
            raise ValueError(f"the shard is {state}: {size} bytes, the index says {expected}")

    def read(self, i: int) -> bytes:
        """The bytes of record i; ValueError where they are not as written."""
        length = int(self._lengths[i])
        framed = self._bytes(int(self._starts[i]), length + HEADER + FOOTER)
        (stated, crc) = struct.unpack_from("<QI", framed)
        if crc != masked_crc(framed[:8]):
            raise ValueError("the checksum of the length is wrong")
        if stated != length:
            raise ValueError(f"the record has {stated} bytes, the index says {length}")
        data = framed[HEADER:-FOOTER]
        if struct.unpack("<I", framed[-FOOTER:])[0] != masked_crc(data):
            raise ValueError("the checksum of the data is wrong")
        return data

    def _bytes(self, start: int, count: int) -> bytes:
        """Exactly `count` bytes; a system may hand out a large read in pieces."""
        pieces = []
        while count:
            piece = os.pread(self._fd, count, start)
            if not piece:
                raise ValueError("the shard ends within the record")
            pieces.append(piece)
            start, count = start + len(piece), count - len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def __del__(self, close=os.close):  # the last thread that holds the shard closes it
        if self._fd >= 0:
            close(self._fd)  # `os` may be gone before the last shard is
