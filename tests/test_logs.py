"""What a run logs can be read back."""

import math
import struct

import pytest

from affectjax import logs
from affectjax.data import tfrecord


@pytest.mark.parametrize("value", [1e40, -1e40, 0.1, math.inf, math.nan])
def test_an_event_holds_what_a_float32_can(tmp_path, value):
    events = logs.Events(tmp_path)
    before = events.path.stat().st_size
    events.scalars(3, {"train/loss": value})
    framed = events.path.read_bytes()[before:]
    (found,) = struct.unpack("<f", framed[: -tfrecord.FOOTER][-4:])
    largest = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]
    expected = value if abs(value) < 1e39 or not math.isfinite(value) else largest
    assert found == pytest.approx(math.copysign(expected, value), nan_ok=True)
