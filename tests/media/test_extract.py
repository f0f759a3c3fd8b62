"""Real files, read in one pass: times that lie, streams to choose from, files that are broken."""

import os
import struct
from fractions import Fraction

import numpy as np
import pytest

from affectjax.media.extract import extract, extract_safely
from affectjax.media.extractor import Frames, Sound
from affectjax.media.facts import Facts, MediaError
from affectjax.media.video import probe
from affectjax.media.workers import Failure
from tests.media.films import Keep, grey, index_of, rows, tone, write

TEN = Frames(10.0, (8, 12))  # ten rows a second, one picture each


def shown(path, want=TEN, **more):
    """Which pictures the rows show, and the facts."""
    found, facts = rows(path, see=want, **more)
    return [index_of(window[0]) for window in found["see"]], facts


def expected(times, end, rate=10.0):
    """Times in seconds from 0 -> which picture is on the screen at each row's centre."""
    centres = np.arange(0.5 / rate, end - 1e-6, 1 / rate)
    return [max(0, int(np.searchsorted(times, t + 1e-6, side="right")) - 1) for t in centres]


def test_pictures_are_chosen_by_the_time_at_which_they_are_seen(tmp_path):
    times = np.cumsum([0] + [7, 130, 40, 300, 5, 33, 33, 210, 90, 61] * 3)
    path = write(tmp_path / "vfr.mkv", [int(t) for t in times])
    found, facts = shown(path)
    assert facts.frames == 31 and facts.notes == []
    assert found == expected(times / 1000, facts.duration)


def test_a_first_time_that_is_not_zero_is_the_start(tmp_path):
    path = write(tmp_path / "late.mkv", list(range(5000, 7000, 40)))
    found, facts = shown(path)
    assert facts.duration == pytest.approx(2.0) and found == expected(np.arange(50) * 0.04, 2.0)


@pytest.mark.parametrize("threads", [1, 3])
def test_pictures_that_the_codec_stores_out_of_order(tmp_path, threads):
    import av

    path = tmp_path / "b.mp4"
    with av.open(str(path), "w") as container:
        options = {"bf": "3", "qp": "0", "b-adapt": "0", "g": "12"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for place in range(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(place), format="yuv420p")))
        container.mux(stream.encode(None))
    found, facts = shown(path, threads=threads)
    assert facts.duration == pytest.approx(2.0) and found == expected(np.arange(50) * 0.04, 2.0)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_rotation_is_applied(tmp_path, rotation, fit):
    def quarters(place):  # the top left quarter is white, the top right grey
        planes = np.full((96, 64), 128, np.uint8)
        planes[:64] = 16
        planes[:32, :32], planes[:32, 32:] = 235, 128
        return planes

    path = write(tmp_path / "turned.mp4", range(0, 400, 40), planes=quarters)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # the matrix of the track, 16.16 fixed point
    cos, sin = round(np.cos(np.radians(rotation))), round(np.sin(np.radians(rotation)))
    one = 1 << 16
    data[at : at + 36] = struct.pack(
        ">9i", cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30
    )
    path.write_bytes(data)
    found, facts = rows(path, see=Frames(10.0, (8, 8), fit=fit))
    corners = found["see"][0, 0][[0, 0, -1, -1], [0, -1, -1, 0]].mean(-1)  # clockwise
    upright = np.array([255, 130, 0, 0])
    # The matrix turns clockwise by the angle it holds.
    np.testing.assert_allclose(corners, np.roll(upright, rotation // 90), atol=6)
    assert (facts.rotation + rotation) % 360 == 0


def test_a_picture_is_cut_at_the_middle_or_stretched(tmp_path):
    def bars(place):  # three bars of 32 x 32: black, white, black
        planes = np.full((48, 96), 128, np.uint8)
        planes[:32] = 16
        planes[:32, 32:64] = 235
        return planes

    path = write(tmp_path / "bars.mkv", range(0, 400, 40), planes=bars)
    cut, _ = rows(path, see=Frames(10.0, (16, 16), fit="crop"))
    assert cut["see"].min() > 200
    whole, _ = rows(path, see=Frames(10.0, (16, 15), fit="stretch"))
    columns = whole["see"][0, 0].mean((0, 2))
    assert columns[7] > 240 and columns[0] < 10 and columns[-1] < 10


def test_two_forms_and_two_rates_of_sound_in_one_pass(tmp_path):
    path = write(tmp_path / "two.mkv", sound=[(0, tone(2.0))])
    wants = {
        "small": Frames(30 / 16, (8, 8), 16),
        "large": Frames(1.0, (24, 36), scaling="bicubic"),
        "low": Sound(30 / 16, 16 / 30, 8000),
        "high": Sound(1.0, 0.96, 16_000),
    }
    found, facts = rows(path, **wants)
    assert {name: value.shape for name, value in found.items()} == {
        "small": (4, 16, 8, 8, 3),
        "large": (2, 1, 24, 36, 3),
        "low": (4, 4267),
        "high": (2, 15_360),
    }
    for name, want in wants.items():
        alone, _ = rows(path, chunk=1, **{name: want})
        np.testing.assert_array_equal(alone[name], found[name])
    assert facts.has_sound and facts.silent is False and facts.sound == pytest.approx(2.0)


def test_sound_lies_where_its_stamps_say(tmp_path):
    line = [(500, tone(0.5)), (1500, 0.5 * tone(0.5))]  # pictures from 0 to 2 s
    path = write(tmp_path / "holes.mkv", sound=line)
    found, facts = rows(path, hear=Sound(2.0, 0.5))
    assert facts.notes == ["holes in the sound, filled with silence: 1"]
    loud = np.abs(found["hear"]).max(1)
    np.testing.assert_allclose(loud, [0, 0.5, 0, 0.25], atol=0.01)
    np.testing.assert_allclose(found["hear"][1], tone(0.5), atol=1e-3)


def test_rows_end_where_their_stream_ends(tmp_path):
    path = write(tmp_path / "short.mkv", sound=[(0, tone(0.7))])
    found, facts = rows(path, see=TEN, hear=Sound(10.0, 0.1))
    assert len(found["see"]) == 20 and len(found["hear"]) == 7
    assert facts.notes == ["the sound ends after 0.70 seconds, the pictures later"]


def test_less_than_a_row_gives_one(tmp_path):
    path = write(tmp_path / "tiny.mkv", [0], sound=[(0, tone(0.05))])
    found, facts = rows(path, see=Frames(1.0, (8, 8), 4), hear=Sound(1.0, 1.0))
    assert found["see"].shape == (1, 4, 8, 8, 3) and found["hear"].shape == (1, 16_000)
    assert facts.frames == 1 and not found["hear"][0, 12_000:].any()


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "avi", "ts"])
def test_containers_agree(tmp_path, suffix):
    path = write(tmp_path / f"film.{suffix}", sound=[(0, tone(2.0))], base=Fraction(1, 25),
                 times=range(50))  # fmt: skip
    found, facts = rows(path, see=TEN, hear=Sound(10.0, 0.1))
    assert [index_of(w[0]) for w in found["see"]] == expected(np.arange(50) * 0.04, 2.0)
    assert 1.9 <= facts.sound <= 2.2 and facts.duration == pytest.approx(2.0)
    assert probe(path).width == facts.width == 48 and probe(path).has_sound


def test_two_films_in_one_file_of_two_sizes(tmp_path):
    """The clock starts anew in the middle, and so does the picture's size."""
    parts = [
        write(tmp_path / f"{size[0]}.ts", range(75), [(0, tone(3.0))], base=Fraction(1, 25),
              planes=lambda place, size=size: grey(place % 25, size))
        for size in ((32, 48), (64, 96))
    ]  # fmt: skip
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    found, facts = rows(path, see=TEN, hear=Sound(10.0, 0.1))
    assert facts.frames == 150 and facts.duration == pytest.approx(6.0, abs=0.1)
    assert len(found["see"]) == 60 and abs(len(found["hear"]) - 60) <= 2
    assert "jumps of the clock, closed: 1" in facts.notes
    shows = [index_of(window[0]) for window in found["see"]]
    assert shows == [index % 25 for index in expected(np.arange(150) * 0.04, 6.0)]


def test_no_sound_track_and_a_silent_one(tmp_path):
    path = write(tmp_path / "mute.mkv")
    found, facts = rows(path, see=TEN, hear=Sound(10.0, 0.1))
    assert "hear" not in found and not facts.has_sound and facts.silent is None
    path = write(tmp_path / "silent.mkv", sound=[(0, np.zeros(32_000, np.float32))])
    found, facts = rows(path, see=TEN, hear=Sound(10.0, 0.1))
    assert len(found["hear"]) == 20 and facts.silent
    assert facts.notes == ["the sound track is silent"]


def test_the_larger_of_two_pictures_is_chosen_and_a_cover_is_none(tmp_path):
    import av

    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for width in (16, 48):
            stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
            stream.width, stream.height, stream.pix_fmt = width, 32, "yuv420p"
            streams.append(stream)
        for place in range(25):
            for stream, shift in zip(streams, (30, 0)):
                planes = grey(place + shift, (32, stream.width))
                frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    found, facts = shown(path)
    assert facts.width == 48 and found == expected(np.arange(25) * 0.04, 1.0)


def test_a_file_cut_off_gives_what_is_there(tmp_path):
    whole = write(tmp_path / "whole.mkv", range(0, 2000, 40)).read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    found, facts = shown(path)
    assert 10 < facts.frames < 45 and any(note.startswith("ends after") for note in facts.notes)
    assert found == expected(np.arange(facts.frames) * 0.04, facts.duration)
    path = tmp_path / "cut.mp4"
    whole = write(tmp_path / "whole.mp4", range(0, 2000, 40)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])  # its index stood at the end
    with pytest.raises(MediaError, match="no video that can be read"):
        shown(path)


def test_a_file_damaged_in_the_middle_goes_on_and_says_so(tmp_path):
    rng = np.random.default_rng(0)

    def noisy(place):
        return np.random.default_rng(place).integers(16, 235, (48, 48)).astype(np.uint8)

    data = bytearray(write(tmp_path / "good.mp4", range(0, 4000, 40), planes=noisy).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = rng.bytes(3000)
    path = tmp_path / "bad.mp4"
    path.write_bytes(data)
    found, facts = rows(path, see=TEN)
    assert facts.notes and facts.frames > 80 and facts.duration == pytest.approx(4.0)
    assert len(found["see"]) == 40


@pytest.mark.parametrize(
    "make,reason",
    [
        (lambda p: p.write_bytes(b""), "empty"),
        (lambda p: p.mkdir(), "no regular file"),
        (lambda p: os.mkfifo(p), "no regular file"),
        (lambda p: None, "no such file"),
        (lambda p: p.write_text("no video, but words\n" * 99), "no video that can be read"),
        (lambda p: p.write_bytes(np.random.default_rng(0).bytes(50_000)), "can be read"),
        (lambda p: p.write_text("#EXTM3U\n#EXTINF:1,\nhttp://example.com/a.ts\n"), "can be read"),
        (lambda p: p.write_text(f"ffconcat version 1.0\nfile {p}\n"), "can be read"),
    ],
)
def test_what_is_no_video_is_refused_with_a_reason(tmp_path, make, reason):
    path = tmp_path / "thing.mp4"
    make(path)
    for read in (probe, lambda p: list(extract(p, []))):
        with pytest.raises(MediaError, match=reason) as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_sound_alone_and_no_picture_at_all_are_refused(tmp_path):
    import av

    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        data = np.zeros((1, 16_000), "i2")
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
    with pytest.raises(MediaError, match="holds no video"):
        list(extract(path, []))
    path = write(tmp_path / "none.mp4", [], planes=grey)
    with pytest.raises(MediaError, match="Not one picture|no video"):
        list(extract(path, []))


def test_a_header_with_absurd_sizes_and_times_is_refused_or_bounded(tmp_path):
    data = write(tmp_path / "good.mp4").read_bytes()
    at = data.index(b"avc1") + 4 + 24  # width and height of the sample entry
    path = tmp_path / "huge.mp4"
    path.write_bytes(data[:at] + struct.pack(">HH", 65_535, 65_535) + data[at + 4 :])
    try:
        *_, facts = extract(path, [])
        assert facts.width * facts.height <= 2**26
    except MediaError:
        pass
    at = data.index(b"stts") + 16  # how long each picture is
    path = tmp_path / "long.mp4"
    path.write_bytes(data[:at] + struct.pack(">I", 20_000_000) + data[at + 4 :])
    found, facts = rows(path, see=TEN)
    assert facts.duration < 10 and len(found["see"]) < 100


def test_in_workers_a_video_that_cannot_be_read_is_one_failure(tmp_path):
    good = write(tmp_path / "good.mkv", sound=[(0, tone(2.0))])
    bad = tmp_path / "bad.mkv"
    bad.write_text("words")
    name = "affectjax.media.lowlevel:Lowlevel"
    found = list(extract_safely([good, bad, good], [(name, {})], workers=2, chunk=2))
    paths = [path for path, _ in found]
    assert paths == [good] * 7 + [bad] + [good] * 7
    assert found[7][1] == Failure("refused", f"This is no video that can be read: Invalid data "
                                  f"found when processing input ({bad}).")  # fmt: skip
    assert isinstance(found[6][1], Facts) and isinstance(found[-1][1], Facts)
    for (_, one), (_, two) in zip(found[:6], found[8:14]):
        assert one.modality == two.modality and one.first == two.first
        np.testing.assert_array_equal(one.rows, two.rows)


def test_a_file_with_a_name_like_an_address_is_a_file(tmp_path):
    path = write(tmp_path / "concat:a|b.mkv")
    assert shown(path)[1].frames == 50


@pytest.mark.parametrize("size", [(2, 2), (2, 1000), (1000, 2)])
@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_strange_shapes_still_fit(tmp_path, size, fit):
    path = write(tmp_path / "odd.mkv", range(0, 400, 40), planes=lambda place: grey(place, size))
    found, _ = rows(path, see=Frames(10.0, (8, 12), fit=fit))
    assert found["see"].shape == (4, 1, 8, 12, 3)


def test_a_long_film_streams_in_little_memory(tmp_path):
    """Its windows take 500 MB in all, and are never held together."""
    import resource

    path = write(tmp_path / "long.mkv", range(0, 1_800_000, 1000))
    want = Keep(see=Frames(30 / 16, (48, 64), 16))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sum(
        len(piece.rows) for piece in extract(path, [want], 16) if not isinstance(piece, Facts)
    )
    assert count == 3373
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 << 10  # kilobytes


def test_tags_in_another_code_page_do_no_harm(tmp_path):
    import av

    path = tmp_path / "title.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "a title of xyz"
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(0), format="yuv420p")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    assert b"of xyz" in data
    path.write_bytes(data.replace(b"of xyz", b"of \xc3\xfc\xff"))
    assert shown(path)[1].frames == 1
