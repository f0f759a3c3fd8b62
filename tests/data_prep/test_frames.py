"""Videos with a table of labels, whose pictures and sound go into the records themselves."""

import csv
import io
import json
import pathlib

import numpy as np
import pytest

from affectjax.data import records
from affectjax.errors import UserError
from affectjax.media import extractor, facts, features, pictures, spectra, video
from affectjax.media.scaling import plan as scaling_plan
from affectjax.media.sound import Resampler
from data_prep import build
from data_prep.builders import labelled
from data_prep.plan import Found, Request
from tests.data_prep import making

PIL = pytest.importorskip("PIL.Image")
COLUMNS = ("id", "video", "group", "split", "label", "start", "end")
ROWS = [
    ("a0", "a.mp4", "a", "train", "joy", 0, 1),
    ("a1", "a.mp4", "a", "train", "fear", 1.0, 2.2),
    ("b", "b.mkv", "b", "test", "joy", "", ""),
]


def table(path, rows=ROWS, columns=COLUMNS):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def plan(folder, **options):
    request = Request(pathlib.Path(folder), None, None, {**labelled.OPTIONS, **options})
    return labelled.plan(request)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Records of a video in two parts, and of one without sound."""
    root = tmp_path_factory.mktemp("videos")
    making.video(root / "a.mp4", 2.5, 1)
    making.video(root / "b.mkv", 1.5, 2, sound=False)
    table(root / "clips.csv")
    options = {"frames": {"side": 16, "rate": 20.0}, "mfcc": {"samples": 16_000}}
    command = ["labelled", f"--videos={root}", f"--out={root}/out", "--workers=1",
               f"--extractors=frames,mfcc,{making.EXTRACTOR}",
               "--extractor-options", json.dumps(options)]  # fmt: skip
    assert build.main(command) == 0
    return root


def test_records_hold_the_pictures_of_their_clip(made):
    found = records.open_dataset(made / "out")
    assert found.spec.frames and found.spec.mfcc == 32 and found.spec.label_names == ("fear", "joy")
    assert dict(found.spec.modalities) == {"hear": 2, "look": 3}
    said = found.metadata["modalities"]["frames"]
    assert said["extractor"] == "frames" and said["settings"]["side"] == 16 and said["trained"]
    clips = {record["id"]: record for split in found.splits for record in found.split(split)}
    assert {name: clip["label"] for name, clip in clips.items()} == {"a0": 1, "a1": 0, "b": 1}
    for name, count in (("a0", 20), ("a1", 24), ("b", 30)):
        times = (np.arange(count) + 0.5) / 20
        np.testing.assert_allclose(clips[name]["frames_time"], times, atol=1e-6)
    shown = [np.asarray(piece.frame.to_ndarray(format="rgb24"), float)
             for piece in video.decode(made / "a.mp4", facts.Facts(), listen=False)]  # fmt: skip
    for name, first in (("a0", 0), ("a1", 20)):
        for i, blob in enumerate(clips[name]["frames"]):
            picture = np.asarray(PIL.open(io.BytesIO(blob)), float)
            assert picture.shape == (16, 24, 3)  # the short side is 16, nothing is cut off
            number = min((first + i) // 2, len(shown) - 1)  # ten pictures a second are kept twice
            half = shown[number].reshape(16, 2, 24, 2, 3).mean((1, 3))
            assert np.abs(picture - half).mean() < 12 < np.abs(picture - 0).mean()


def test_sound_is_that_of_the_whole_video_cut(made):
    clips = records.open_dataset(made / "out").split("train")
    waves = [piece for piece in video.decode(made / "a.mp4", facts.Facts())
             if isinstance(piece, video.Samples)]  # fmt: skip
    wave = np.concatenate([Resampler(16_000).push(piece.wave, piece.rate) for piece in waves])
    mel = spectra.Mel(samples=16_000, coefficients=32)
    whole = spectra.mfcc(wave[: round(2.5 * 16_000)], mel)
    rate = 16_000 / 512
    for clip, start in zip(clips, (0.0, 1.0)):
        first = round(start * rate)
        inside = slice(3, min(30, len(clip["mfcc"]) - 3))  # the ends meet other padding
        wanted = whole[first:][: len(clip["mfcc"])]
        np.testing.assert_allclose(clip["mfcc"][inside], wanted[inside], atol=0.5)
        assert clip["mfcc"].dtype == np.float32 and np.ptp(wanted) > 20
    (silent,) = records.open_dataset(made / "out").split("test")
    assert silent["mfcc"].shape == (0, 32) and len(silent["frames"]) == 30


def test_the_same_build_again_finds_all_of_it(made, capsys):
    options = {"frames": {"side": 16, "rate": 20.0}, "mfcc": {"samples": 16_000}}
    command = ["labelled", f"--videos={made}", f"--out={made}/out", "--workers=1",
               f"--extractors=frames,mfcc,{making.EXTRACTOR}",
               "--extractor-options", json.dumps(options)]  # fmt: skip
    assert build.main(command) == 0 and "already there" in capsys.readouterr().out


def test_pictures_are_put_together_and_parted():
    blobs = np.empty(3, object)
    blobs[:] = [b"one", b"", b"three"]
    assert pictures.parted(pictures.Pictures().gather("frames", blobs)) == list(blobs)
    assert pictures.parted(pictures.Pictures().gather("frames", blobs[:0])) == []
    with pytest.raises(UserError, match="quality"):
        extractor.resolve("frames", {"quality": 0})
    assert features.is_entry(extractor.resolve("mfcc")) and not features.is_entry(making.Tiny())


@pytest.mark.parametrize(
    ("size", "rotation", "first", "wanted"),
    [((640, 360), 0, None, (199, 112)), ((360, 640), 0, None, (112, 199)),
     ((360, 640), 90, None, (199, 112)), ((9000, 100), 0, None, (112, 112)),
     ((360, 640), 0, (199, 112), (199, 112))],
)  # fmt: skip
def test_the_short_side_is_brought_to_size(size, rotation, first, wanted):
    """A stored picture is scaled before it is turned, and all have the first one's size."""
    want = pictures.Pictures(112).wants["frames"]
    assert scaling_plan(size, want, rotation, first)[0] == wanted


def test_a_table_may_leave_out_all_but_video_and_label(tmp_path):
    for name in "abcdefgh":
        (tmp_path / f"{name}.mp4").write_bytes(b"")
    table(tmp_path / "clips.csv", [(f"{n}.mp4", "joy") for n in "abcdefgh"], ("video", "label"))
    made = plan(tmp_path)
    found = made.clips(lambda source: None if source.name == "c" else Found(9.0, None))
    assert {split: len(each) for split, each in found.items()} in (
        {"train": 5, "test": 2}, {"train": 6, "test": 1},
    )  # fmt: skip
    clip = found["train"][0]
    assert clip.id == clip.source == clip.group and clip.end is None
    assert clip.targets == {"label": 0} and plan(tmp_path).spec == {"label_names": ("joy",)}


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (ROWS, ("name",) * 7, "columns video and label"),
        ([("a", "a.mp4", "a", "train", "", 0, 1)], COLUMNS, "no label.*line 2"),
        ([("a", "a.mp4", "a", "train", "joy", 2, 1)], COLUMNS, "from 2.0 to 1.0"),
        ([("a", "a.mp4", "a", "train", "joy", "x", 1)], COLUMNS, "seconds"),
        ([ROWS[0], ROWS[0]], COLUMNS, "twice"),
        ([ROWS[0], ("x", "a.mp4", "a", "test", "joy", 0, 1)], COLUMNS, "two splits"),
        ([ROWS[0], ("x", "b.mkv", "b", "", "joy", 0, 1)], COLUMNS, "b has no split"),
    ],
)
def test_tables_that_are_wrong(tmp_path, rows, columns, words):
    for name in ("a.mp4", "b.mkv"):
        (tmp_path / name).write_bytes(b"")
    table(tmp_path / "clips.csv", rows, columns)
    with pytest.raises(UserError, match=words):
        plan(tmp_path)


def test_other_mistakes(tmp_path):
    with pytest.raises(UserError, match="table of clips is missing"):
        plan(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"")
    table(tmp_path / "clips.csv", ROWS[:1])
    with pytest.raises(UserError, match="'joy' is no class.*fear|'joy' is no class"):
        plan(tmp_path, classes="fear,sadness")


def test_clips_after_the_end_of_their_video_are_dropped_and_noted(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.mp4").write_bytes(b"")
    rows = [("a.mp4", "joy", "train", 0), ("a.mp4", "joy", "train", 30),
            ("b.mp4", "joy", "test", 3), ("b.mp4", "fear", "test", 9.5)]  # fmt: skip
    table(tmp_path / "clips.csv", rows, ("video", "label", "split", "start"))
    made = plan(tmp_path)
    found = made.clips(lambda source: Found(9.0, None))
    assert {split: len(each) for split, each in found.items()} == {"train": 1, "test": 1}
    assert made.notes == [f"{name}: 1 clips begin after its end" for name in "ab"]
    with pytest.raises(UserError, match="split test begin after the end.*b-3 at 3 seconds.* 2.00"):
        made.clips(lambda source: Found(2.0, None))
    with pytest.raises(UserError, match="split test begin after the end"):
        made.clips(lambda source: Found(0.0, None))
