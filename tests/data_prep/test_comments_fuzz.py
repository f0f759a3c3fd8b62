"""Mutated comment files end in a reading or one clear error, in bounded time and memory."""

import functools
import random
import time
import tracemalloc

import pytest

from affectjax.errors import UserError
from data_prep.comments.clean import Rules, clean
from data_prep.comments.read import read
from data_prep.comments.reading import LONGEST
from data_prep.lexicon import load
from tests.data_prep import comment_files as files

LEXICON = load("sample")
SECONDS = 2.0  # of processor time for one file, which is under 200 kB
GROWTH = 64 << 20  # bytes that reading one file may take
TOKENS = (
    b'< > & " \' </d> <d <d\tp=" <!-- --> <![CDATA[ ]]> <!DOCTYPE\ti[ { } [ ] , \\u \\ud800 NaN -1'
    b" 1e999 &#0; &#x110000; &a; \0 \xff \xfe\xff \xef\xbb\xbf"
).split(b" ")
TOKENS += [b"\n", b" ", b"\x80" * 12, b"'" * 40, b"[" * 3000, b"9" * 5000]
TOKENS += ["🎉".encode(), "あ".encode("shift_jis")]


@functools.cache
def seeds() -> list[bytes]:
    texts = ["今天真的很感动", "so sad 2333", "かわいい", ""] * 8
    rows = [(i * 1.5, text) for i, text in enumerate(texts)]
    made = [files.as_bytes(make(rows)) for make in files.FILES.values()]
    advanced = [(1, '["0","0","1-1","4","第一行/n第二行","0"]'), (2, '["0",{"a":[1]}]')] * 8
    made += [files.bilibili(advanced, mode=7).encode(), files.protobuf(advanced, mode=7)]
    return made + [files.bilibili(rows).encode(codec) for codec in ("utf-16", "gb18030")]


def mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """One to six changes: bits, cuts, copies, tokens of the formats, parts of another file."""
    data = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(data) + 1)
        end = min(len(data), at + draw.choice((1, 2, 8, 60, 600)))
        match draw.randrange(7):
            case 0:
                if at < len(data):
                    data[at] ^= 1 << draw.randrange(8)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end] * draw.choice((1, 2, 50))
            case 3:
                data[at:at] = draw.choice(TOKENS) * draw.choice((1, 1, 30))
            case 4:
                data[at:end] = draw.randbytes(end - at)
            case 5:
                other = draw.choice(others)
                start = draw.randrange(len(other))
                data[at:at] = other[start : start + 200]
            case 6:
                del data[at:]
    return bytes(data[:200_000])


def check(number: int) -> str:
    draw = random.Random(number)
    every = seeds()
    data = mutated(every[number % len(every)], draw, every)
    began = time.process_time()
    try:
        reading = read(data)
    except UserError as error:
        assert "\n" not in str(error)
        return "refused"
    finally:
        assert time.process_time() - began < SECONDS, number
    times = reading.comments.time
    assert ((times >= 0) & (times <= LONGEST)).all() and (times[1:] >= times[:-1]).all()
    for text in reading.comments.text:
        text.encode()
        assert "\n" not in text and "\0" not in text
    cleaned = clean(reading.comments, Rules(min_words=1, emotional=False), str.split, LEXICON, 40.0)
    assert len(cleaned.words) + sum(cleaned.counts.values()) == len(reading.comments)
    return "read"


def fuzz(numbers: range) -> tuple[float, int]:
    """(share of files that were read, peak of memory in bytes)."""
    tracemalloc.start()
    try:
        outcomes = [check(number) for number in numbers]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return outcomes.count("read") / len(outcomes), peak


def test_three_hundred_mutated_files():
    read, peak = fuzz(range(300))
    assert 0.5 < read < 1 and peak < GROWTH  # most are still readable, some not: both are walked


@pytest.mark.slow
def test_two_thousand_mutated_files():
    read, peak = fuzz(range(300, 2300))
    assert 0.5 < read < 1 and peak < GROWTH
