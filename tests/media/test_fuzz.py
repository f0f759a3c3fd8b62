"""Damaged files of every kind: each ends with what could be read or with a reason, and in time."""

import collections
from fractions import Fraction

import numpy as np
import pytest

from affectjax.media.extract import extract_safely
from affectjax.media.facts import Facts
from affectjax.media.workers import Failure
from tests.media.films import tone, write

LONGEST = 20.0  # seconds for a file that takes a twentieth of one undamaged


def busy(place: int) -> np.ndarray:
    return np.random.default_rng(place).integers(16, 236, (48, 48)).astype(np.uint8)


def bases(folder) -> list[tuple[str, bytes]]:
    sound = [(0, tone(1.0))]
    times = list(range(0, 1000, 40))
    kinds = {
        "mkv": "libx264",
        "mp4": "libx264",
        "avi": "mpeg4",
        "ts": "mpeg2video",
        "webm": "libvpx",
    }
    found = []
    for suffix, codec in kinds.items():
        path = folder / f"base.{suffix}"
        write(path, range(len(times)), sound, planes=busy, base=Fraction(1, 25), codec=codec)
        found.append((suffix, path.read_bytes()))
    return found


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """One of the ways in which files break."""
    found = bytearray(data)
    size = len(found)
    place = int(rng.integers(size))
    length = int(rng.integers(1, max(2, size // 4)))
    match int(rng.integers(7)):
        case 0:  # flipped bits anywhere
            for at in rng.integers(0, size, int(rng.integers(1, 40))):
                found[at] ^= 1 << int(rng.integers(8))
        case 1:  # in the header, where sizes and counts stand
            for at in rng.integers(0, min(size, 1500), int(rng.integers(1, 10))):
                found[at] = int(rng.integers(256))
        case 2:  # at the end, where an index stands
            for at in rng.integers(max(0, size - 1500), size, int(rng.integers(1, 10))):
                found[at] = int(rng.choice([0, 127, 128, 255]))
        case 3:
            del found[place:]
        case 4:
            found[place : place + length] = bytes(len(found[place : place + length]))
        case 5:
            del found[place : place + length]
        case 6:
            found[place:place] = found[max(0, place - length) : place]
    return bytes(found)


def fuzz(folder, count: int) -> collections.Counter:
    rng = np.random.default_rng(0)
    whole = bases(folder)
    paths = []
    for place in range(count):
        suffix, data = whole[place % len(whole)]
        path = folder / f"{place}.{suffix}"
        path.write_bytes(damaged(data, rng))
        paths.append(path)
    ends, rows = {}, collections.Counter()
    for path, piece in extract_safely(
        paths, [("lowlevel", {})], workers=2, timeout=LONGEST, memory=4 << 30
    ):
        if isinstance(piece, Facts | Failure):
            ends[path] = piece
        else:
            rows[path] += len(piece.rows)
    assert list(ends) == paths  # each once, in order
    kinds = collections.Counter(
        piece.kind if isinstance(piece, Failure) else "read" for piece in ends.values()
    )
    for path, piece in ends.items():
        if isinstance(piece, Failure):
            assert path.name in piece.reason
        else:
            assert np.isfinite(piece.duration) and rows[path] >= 2
    assert max(rows.values()) < 10_000
    return kinds


def harmless(kinds: collections.Counter) -> bool:
    """A fault of ours would be an "error"; a crash inside a codec may happen, and is one item."""
    every = kinds.total()
    few = kinds["crash"] + kinds["memory"] < every / 20
    return few and not kinds["error"] and not kinds["timeout"] and kinds["read"] > every / 4


def test_a_few_damaged_files(tmp_path):
    assert harmless(fuzz(tmp_path, 15))


@pytest.mark.slow
def test_many_damaged_files(tmp_path):
    assert harmless(fuzz(tmp_path, 200))
