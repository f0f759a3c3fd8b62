"""Grad-CAM frames of a video: the maps are those of its records, at moments all over it."""

import copy
import dataclasses
import functools
import io
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from affectjax import gradcam, predict
from affectjax.data.frames import decode
from affectjax.errors import BAD_INPUT, COMPLETE, UserError
from affectjax.media.extract import Chunk, extract
from affectjax.media.pictures import Pictures
from affectjax.media.spectra import Mfcc
from affectjax.predicting import looks, maps, page, picture, schema
from affectjax.predicting.timeline import Map
from tests.predicting import exports
from tests.predicting.test_page import AT, PLAYS, timeline

RATE, WINDOW = 6.0, 3.0
EXTRACTORS = (Pictures(side=20, rate=RATE), Mfcc(samples=8000, hop=800, bands=10, coefficients=8))
SETTINGS = {"workers": 0, "window": WINDOW, "stride": 1.0, "batch": 2}


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return exports.video(tmp_path_factory.mktemp("film") / "film.webm", 9.4)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A model of frames and sound, of three segments a window."""
    about = {
        m: {"extractor": one.name, "settings": dict(one.settings), "weights": "", "width": width,
            "rate": one.wants[m].rate}
        for one in EXTRACTORS for m, width in one.modalities.items()
    }  # fmt: skip
    return exports.make(tmp_path_factory.mktemp("export") / "export", "frames", about=about)


@pytest.fixture(scope="module")
def found(export, film):
    return export.predict(film, maps=4, **SETTINGS)


def records(film, starts, end):
    """The record of each window, cut by hand."""
    rows = {}
    for piece in extract(film, EXTRACTORS):
        if isinstance(piece, Chunk):
            rows.setdefault(piece.modality, []).append(piece.rows)
    frames = np.concatenate(rows["frames"])
    mfcc = EXTRACTORS[1].gather("mfcc", np.concatenate(rows["mfcc"]))["mfcc"]
    time = (np.arange(len(frames)) + 0.5) / RATE
    cut = {}
    for start in starts:
        last = start + WINDOW > end - 1e-6
        inside = (time >= start) & ((time < start + WINDOW) | last)
        first, stop = (int(np.floor(t * 10 + 0.5 + 1e-6)) for t in (start, start + WINDOW))
        cut[start] = {
            "id": "x", "duration": WINDOW, "features": {}, "rate": {},
            "frames": list(frames[inside]), "frames_time": (time[inside] - start).astype("f4"),
            "mfcc": mfcc[first : None if last else stop],
        }  # fmt: skip
    return cut


def test_a_map_is_grad_cam_of_the_record_around_its_moment(export, film, found):
    end = found.edges[-1]
    starts = [*np.arange(0, end - WINDOW - 1e-6, 1.0), end - WINDOW]
    cut = records(film, starts, end)
    look = jax.jit(functools.partial(gradcam.grad_cam, export.model, export.variables))
    (track,) = found.tracks
    assert len(found.maps) == 4
    for one in found.maps:
        step = min(int(np.searchsorted(found.edges, one.at, "right")) - 1, len(found.edges) - 2)
        middle = (found.edges[step] + found.edges[step + 1]) / 2
        start = min(starts, key=lambda s: (round(abs(s + WINDOW / 2 - middle), 6), s))
        label = int(track.scores[step].argmax())
        example = export.examples.evaluate(cut[start], 0)
        batch = {key: np.asarray(value)[None] for key, value in example.items()}
        t = int((middle - start) // (WINDOW / 3))
        wanted = np.asarray(look(batch, jnp.array([label])))[0, t]
        np.testing.assert_allclose(one.cells, wanted, rtol=1e-4, atol=1e-7)
        assert (one.label, one.score) == (track.names[label], float(track.scores[step, label]))
        np.testing.assert_array_equal(one.frame, example["frames"][t, 1])
        seen = np.argmin(np.abs(cut[start]["frames_time"] + start - one.at))
        shown = decode(cut[start]["frames"][seen], 16, "here")
        left = (shown.shape[1] - 16) // 2
        np.testing.assert_array_equal(one.frame, shown[:, left : left + 16])
    assert max(one.cells.max() for one in found.maps) > 0
    assert np.ptp([one.at for one in found.maps]) > 0.5 * end


def test_predictions_are_the_same_bits_with_and_without_maps(export, film, found):
    plain = export.predict(film, maps=0, **SETTINGS)
    assert plain.maps == () and plain.segments == found.segments
    np.testing.assert_array_equal(plain.tracks[0].scores, found.tracks[0].scores)
    np.testing.assert_array_equal(plain.attention, found.attention)
    np.testing.assert_array_equal(plain.edges, found.edges)


def test_moments_are_the_most_attended_of_equal_stretches():
    attention = np.array([0, 0.2, 0.1, 0.9, 0.9, 0.9, 0.3, 0.1, 0.5])
    assert maps.spread(attention, 3) == [1, 4, 8]
    assert maps.spread(np.ones(9), 3) == [1, 4, 7]
    assert maps.spread(np.array([0, 0, 0, 1, 1, 1, 0.5, 0.1]), 2) == [3, 5]
    assert maps.spread(np.ones(2), 6) == [0, 1]


def test_a_model_of_features_has_none(film, tmp_path):
    made = exports.make(tmp_path / "export", "cten").predict(film, workers=0, window=5.0)
    assert made.maps == () and schema.as_json(made)["maps"] == []


def test_the_file_says_the_moments_and_other_entries_are_refused(found):
    plain = schema.as_json(found)
    assert schema.read(json.dumps(plain), "here") == plain
    assert [sorted(one) for one in plain["maps"]] == [["at", "label", "score"]] * 4
    for change in ({"at": -1.0}, {"at": 99.0}, {"label": None}, {"score": None}):
        other = copy.deepcopy(plain)
        other["maps"][2].update(change)
        with pytest.raises(UserError, match=r"^maps\[2\] is missing or is not as it should be"):
            schema.validate(other)
    plain.pop("maps")  # as a file of an earlier day
    schema.validate(plain)


def test_the_command_shows_as_many_as_it_is_told(export, film, tmp_path, capsys):
    flags = ["--compile_cache=", "--workers=1", "--window=3", "--batch=2"]
    kept = {}
    for count in (2, 0):
        out = tmp_path / str(count)
        arguments = [str(export.folder), str(film), f"--out={out}", f"--maps={count}", *flags]
        assert predict.main(arguments) == COMPLETE
        kept[count] = schema.read((out / "film.json").read_text(), "film.json")
        shown = re.search(r'id="data">(.*?)</script>', (out / "film.html").read_text(), re.S)[1]
        assert len(kept[count]["maps"]) == len(json.loads(shown)["maps"]) == count
    assert kept[2]["tracks"] == kept[0]["tracks"] and kept[2]["attention"] == kept[0]["attention"]
    tall = [Image.open(tmp_path / name / "film.png").size[1] for name in ("2", "0")]
    assert tall[0] > tall[1] + 100
    assert predict.main([*arguments, "--maps=-1"]) == BAD_INPUT
    assert "--maps is 0 or more" in capsys.readouterr().err


def test_an_overlay_is_brightest_where_the_map_is():
    frame, cells = np.full((16, 16, 3), 100, np.uint8), np.array([0, 0, 0, 2.0], np.float32)
    one = Map(1.0, "joy", 0.5, frame, cells)
    light = looks.overlay(one).mean(-1)
    assert light.shape == (looks.SIDE, looks.SIDE)
    assert light[-1, -1] == light.max() > light[0, 0] + 40
    nothing = looks.overlay(dataclasses.replace(one, cells=np.zeros(4, np.float32)))
    assert (nothing == nothing[0, 0]).all()
    np.testing.assert_array_equal(looks.frame(one), 100)


def test_the_page_shows_the_maps_and_a_click_goes_there(chromium, film, found, tmp_path):
    made = timeline(film, edges=np.linspace(0, 9.4, 9), maps=found.maps)
    path = tmp_path / "film.html"
    path.write_text(page.render(made, page.embedded(film), {}))
    with chromium.open(path, ready=PLAYS) as opened:
        assert opened.run("document.querySelectorAll('#maps button').length") == 4
        loaded = "[...document.querySelectorAll('#maps img')].map(i => i.naturalWidth)"
        assert opened.run(loaded) == [looks.SIDE] * 8
        opened.click("#maps li:nth-child(3) button")
        opened.wait(f"Math.abs({AT} - {found.maps[2].at}) < 0.1")
        told = opened.run("document.querySelector('#maps li:nth-child(3) .told').innerText")
        assert told.startswith(f"{found.maps[2].label} {found.maps[2].score:.0%}")
        assert opened.errors == [] and opened.outside == []
    path.write_text(page.render(dataclasses.replace(made, maps=()), page.embedded(film), {}))
    with chromium.open(path) as opened:
        assert opened.run("document.getElementById('looked').hidden")
        assert opened.errors == []


def test_many_maps_stand_in_rows_of_the_picture(found):
    sizes = {}
    for count in (0, 4, 8):
        some = dataclasses.replace(found, maps=(found.maps * 2)[:count])
        sizes[count] = Image.open(io.BytesIO(picture.png(some))).size
    assert sizes[0][1] + 100 < sizes[4][1] < sizes[8][1] - 100
    assert len({wide for wide, _ in sizes.values()}) == 1
