"""Videos through exports: what each window says, whoever shares the batch; every kind of model."""

import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.media.extract import Chunk, extract
from affectjax.media.lowlevel import Lowlevel
from affectjax.media.pictures import Pictures
from affectjax.media.spectra import Mfcc
from tests.predicting import exports

SECONDS = {"long": 21.3, "short": 5.0, "mute": 13.0}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return {
        name: exports.video(folder / f"{name}.mp4", seconds, sound=name != "mute", seed=i)
        for i, (name, seconds) in enumerate(SECONDS.items())
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """{name: export}, each made once."""
    known = {}

    def get(name):
        if name not in known:
            known[name] = exports.make(tmp_path_factory.mktemp(name) / "export", name)
        return known[name]

    return get


def features(path) -> dict[str, np.ndarray]:
    """The rows of a whole video, put together by hand."""
    rows = {}
    for piece in extract(path, [Lowlevel()]):
        if isinstance(piece, Chunk):
            rows.setdefault(piece.modality, []).append(piece.rows)
    found = {m: np.concatenate(parts).astype(np.float16) for m, parts in rows.items()}
    return {m: found.get(m, np.zeros((0, w), "f2")) for m, w in Lowlevel.modalities.items()}


def test_a_step_is_what_the_model_says_of_the_record_around_it(clips, made):
    model = made("tam_emotion")
    found = model.predict(clips["long"], workers=0, window=8.0, stride=2.0)
    whole, rate, end = features(clips["long"]), 30 / 16, found.edges[-1]
    assert end == pytest.approx(21.3, abs=0.05)
    np.testing.assert_allclose(np.diff(found.edges)[:-1], 2.0)
    (track,) = found.tracks
    assert track.kind == "classes" and track.names == exports.NAMES
    starts = [*np.arange(0, end - 8, 2.0), end - 8]
    for step, row in enumerate(track.scores):
        middle = (found.edges[step] + found.edges[step + 1]) / 2
        start = min(starts, key=lambda s: (round(abs(s + 4 - middle), 6), s))
        first, stop = (int(np.floor(t * rate + 0.5 + 1e-6)) for t in (start, start + 8))
        stop = len(whole["image"]) + 1 if start + 8 > end - 1e-6 else stop
        record = {"id": "x", "group": "x", "start": start, "duration": 8.0,
                  "features": {m: rows[first:stop] for m, rows in whole.items()},
                  "rate": dict.fromkeys(whole, rate)}  # fmt: skip
        np.testing.assert_allclose(row, model.predict(record)["probability"][0], atol=1e-6)
    assert np.ptp(track.scores, axis=0).max() > 1e-4  # or the windows were all the same one


@pytest.mark.parametrize("name", ["tam_emotion", "cten", "vaanet", "lstc"])
def test_neither_batch_nor_company_changes_a_prediction(name, clips, made):
    """Within 1e-6: batches of another size are other compiled programs."""
    model = made(name)
    alone = [model.predict(clips[name], batch=1, workers=0) for name in ("long", "mute")]
    together = model.predict([clips["mute"], clips["long"], clips["short"]], batch=7, workers=2)
    for one, other in zip(alone, [together[1], together[0]]):
        assert one.name == other.name
        np.testing.assert_array_equal(one.edges, other.edges)
        for a, b in zip(one.tracks, other.tracks, strict=True):
            np.testing.assert_allclose(a.scores, b.scores, atol=1e-6)
        if one.attention is not None:
            np.testing.assert_allclose(one.attention, other.attention, atol=1e-6)
        assert [(s.start, s.label) for s in one.segments] == [
            (s.start, s.label) for s in other.segments
        ]


def test_a_batch_of_the_same_size_gives_the_same_bits(clips, made):
    model = made("tam_emotion")
    alone = model.predict(clips["short"], workers=0, batch=4, window=2.0)
    other = model.predict([clips["long"], clips["short"]], batch=4, window=2.0, workers=0)[1]
    np.testing.assert_array_equal(alone.tracks[0].scores, other.tracks[0].scores)


def test_a_video_without_sound_is_predicted_and_says_so(clips, made):
    found = made("tam_emotion").predict(clips["mute"], workers=0)
    assert np.isfinite(found.tracks[0].scores).all()
    assert "there is no sound: predicted without audio" in found.video["notes"]
    assert not found.video["has_sound"]


def test_pictures_and_sound_reach_the_networks_that_read_them(clips, tmp_path):
    made = [Pictures(side=20, rate=6.0), Mfcc(samples=8000, hop=800, bands=10, coefficients=8)]
    about = {
        m: {"extractor": one.name, "settings": dict(one.settings), "weights": "", "width": width,
            "rate": one.wants[m].rate}
        for one in made for m, width in one.modalities.items()
    }  # fmt: skip
    model = exports.make(tmp_path / "export", "frames", about=about)
    found = model.predict(clips["short"], workers=0, window=4.0, stride=4.0)
    rows = {}
    for piece in extract(clips["short"], made):
        if isinstance(piece, Chunk):
            rows.setdefault(piece.modality, []).append(piece.rows)
    frames = np.concatenate(rows["frames"])[:24]  # 4 s
    mfcc = made[1].gather("mfcc", np.concatenate(rows["mfcc"]))["mfcc"][:40]
    record = {"id": "x", "duration": 4.0, "features": {}, "rate": {}, "frames": list(frames),
              "frames_time": (np.arange(24) + 0.5) / 6, "mfcc": mfcc}  # fmt: skip
    wanted = model.predict(record)
    np.testing.assert_allclose(found.tracks[0].scores[0], wanted["probability"][0], atol=1e-6)
    assert np.ptp(found.tracks[0].scores[0]) > 1e-3
    mute = model.predict(clips["mute"], workers=0, window=4.0)
    assert "there is no sound: predicted without mfcc" in mute.video["notes"]


def test_values_come_in_units_of_their_own(clips, made):
    found = made("values").predict(clips["long"], workers=0)
    (track,) = found.tracks
    assert (track.kind, track.names) == ("values", ("valence", "arousal"))
    assert found.segments == () and found.segments_by == "" and found.emotions is None


def test_attention_lies_along_the_video_and_gives_segments(clips, made):
    found = made("cten").predict(clips["long"], workers=0, threshold=0.4)
    assert found.attention.shape == (len(found.edges) - 1,) and found.attention.max() <= 1
    assert np.ptp(found.attention) > 0.1 and found.segments_by == "attention"
    for one in found.segments:
        inside = (found.edges[:-1] >= one.start - 1e-9) & (found.edges[1:] <= one.end + 1e-9)
        assert inside.any() and (found.attention[inside] >= 0.4).all()
    assert found.segments
    assert made("cten").predict(clips["long"], workers=0, threshold=1.0).segments == ()


def test_distributions_come_every_five_seconds(clips, made):
    model = made("danmaku")
    found = model.predict(clips["long"], workers=0)
    np.testing.assert_allclose(found.edges, [0, 5, 10, 15, 20, found.edges[-1]])
    (track,) = found.tracks
    assert track.kind == "distribution"
    np.testing.assert_allclose(track.scores.sum(1), 1, atol=1e-5)
    record = {"id": "x", "duration": float(found.edges[-1]), "features": features(clips["long"]),
              "rate": dict.fromkeys(exports.MODALITIES, 1.875), "distribution": [],
              "distribution_time": []}  # fmt: skip
    whole = model.predict(clips["long"], workers=0, window=60.0)
    wanted = model.predict(record)["distribution"]
    np.testing.assert_allclose(whole.tracks[0].scores, wanted, atol=1e-6)
    assert np.ptp(wanted, axis=0).max() > 1e-4


def test_films_are_read_whole_a_value_each_second(clips, made):
    found = made("lstc").predict(clips["long"], workers=0)
    np.testing.assert_allclose(found.edges[:-1], np.arange(21))
    assert found.tracks[0].names == ("valence", "arousal")
    film = {"id": "x", "group": "x", "start": 0.0, "duration": float(found.edges[-1]),
            "features": features(clips["long"]), "values": np.zeros((0, 2)),
            "values_time": np.zeros(0),
            "rate": dict.fromkeys(exports.MODALITIES, 1.875)}  # fmt: skip
    wanted = made("lstc").predict(film)["prediction"]
    np.testing.assert_allclose(found.tracks[0].scores, wanted, atol=1e-6)
    assert np.ptp(wanted, axis=0).max() > 1e-5
    with pytest.raises(UserError, match="Leave --window and --stride out"):
        made("lstc").predict(clips["long"], workers=0, window=5.0)


def test_a_pre_trained_model_tells_the_emotions_of_the_words_it_expects(clips, tmp_path):
    lexicon = {"happy": ["joy"], "scary": ["fear"], "sad": ["sadness", "fear"]}
    model = exports.make(tmp_path / "with", "tam", lexicon=lexicon)
    found = model.predict(clips["short"], workers=0)
    (track,) = found.tracks
    assert (track.kind, set(track.names)) == ("distribution", {"joy", "fear", "sadness"})
    np.testing.assert_allclose(track.scores.sum(1), 1, atol=1e-5)
    words = exports.make(tmp_path / "without", "tam").predict(clips["short"], workers=0)
    assert words.tracks[0].kind == "words" and words.emotions.names is not None
    chance = dict(zip(words.tracks[0].names, words.tracks[0].scores[0]))
    assert set(chance) == {"happy", "scary", "sad", "the"} and words.segments == ()
    emotion = dict(zip(track.names, track.scores[0]))
    part = chance["happy"] / (1 - chance["the"])
    assert emotion["joy"] == pytest.approx(part, abs=1e-5)
    half = chance["sad"] / 2 / (1 - chance["the"])
    assert emotion["sadness"] == pytest.approx(half, abs=1e-5)


def test_pictures_for_the_strip_are_few_and_true(clips, made):
    found = made("tam_emotion").predict(clips["long"], workers=0)
    assert [at for at, _ in found.strip] == [i + 0.5 for i in range(21)]
    assert found.strip[0][1].shape == (72, 128, 3)
    assert made("tam_emotion").predict(clips["short"], workers=0, pictures=False).strip == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"window": 100.0}, "longer than what the model reads at once"),
        ({"window": -1.0}, "or more"),
        ({"extractors": (("mfcc", {}),)}, "no extractor gives 'audio'"),
        ({"extractors": (("nobody", {}),)}, "no extractor 'nobody'"),
    ],
)
def test_what_cannot_be_is_said(settings, says, clips, made):
    with pytest.raises(UserError, match=says):
        made("tam_emotion").predict(clips["short"], **settings)


def test_a_file_that_is_no_video_raises_and_names_itself(clips, made, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing" * 100)
    with pytest.raises(UserError, match=str(bad)) as caught:
        made("tam_emotion").predict(bad)
    assert str(caught.value).count(str(bad)) == 1
    with pytest.raises(UserError, match="Name the folder in a list"):
        made("tam_emotion").predict(tmp_path)


def test_a_record_is_predicted_as_before_and_takes_no_settings(clips, made):
    record = {"id": "x", "group": "x", "start": 0.0, "duration": 5.0,
              "features": features(clips["short"]),
              "rate": dict.fromkeys(exports.MODALITIES, 1.875)}  # fmt: skip
    assert made("tam_emotion").predict(record)["probability"].shape == (1, 3)
    with pytest.raises(TypeError, match="window"):
        made("tam_emotion").predict(record, window=2.0)
