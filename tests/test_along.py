"""Along films: one call, clip by clip and evaluation agree; memory does not grow with the film."""

import pathlib
import tracemalloc
import types

import jax
import numpy as np
import pytest
from ml_collections import config_dict

from affectjax import along, assemble, configlib, evaluate, initialise, sharding
from affectjax.errors import UserError
from affectjax.export import Export
from affectjax.report import clip_pictures, looking
from configs import lstc

MODALITIES = {"audio": 3, "scene": 4}


def exported(clips: int, beta: float) -> Export:
    """An export of fresh parameters, as `export.load` gives it."""
    config = lstc.get_config("small")
    with config.unlocked():
        config.model.modalities = MODALITIES
    config.model.update(dict(hidden=3, layers=1, width=4, inter_hidden=3, inter_layers=1))
    config.model.update(dict(clips=clips, beta=beta, segments=5))
    model, rule = assemble.model(config, None), assemble.examples(config, None)
    shapes = {k: jax.ShapeDtypeStruct((1, *s), d) for k, (s, d) in rule.spec().items()}
    variables = jax.jit(lambda: initialise.variables(model, shapes, 3))()
    state = {"statistics": variables["statistics"]}
    plain = config_dict.ConfigDict(configlib.to_plain(config))
    return Export(pathlib.Path("x"), plain, {}, variables["params"], state, None)


def film(seconds: int, name: str = "film") -> dict:
    rng = np.random.default_rng(seconds)
    return {
        "id": name, "group": name, "start": 0.0, "duration": float(seconds),
        "features": {
            m: rng.standard_normal((seconds, width)).astype(np.float16)
            for m, width in MODALITIES.items()
        },
        "rate": dict.fromkeys(MODALITIES, 1.0),
        "values": rng.random((seconds, 2)).astype(np.float32),
        "values_time": np.arange(seconds, dtype=np.float32) + 0.5,
    }  # fmt: skip


@pytest.fixture(scope="module", params=[(4, 0.0), (1, 0.98)], ids=["valence", "arousal"])
def model(request):
    """An export and its forward pass, compiled once."""
    export = exported(*request.param)
    return export, along.forward(export)


def streamed(export, run, record) -> tuple[np.ndarray, list[int]]:
    """All predictions of a stream, and how many came with each clip."""
    state, parts = along.begin(), []
    for clip in along.clips(export.examples, record):
        state, found = along.feed(export, run, state, clip)
        parts.append(found)
    counts = [len(part) for part in parts]
    return np.concatenate([*parts, along.end(export, run, state)]), counts


@pytest.mark.parametrize("seconds", [3, 12, 60, 98])
def test_a_stream_gives_the_numbers_of_one_call(model, seconds):
    export, run = model
    record = film(seconds)
    record["features"]["scene"] = record["features"]["scene"][:50]  # it stops before the film
    whole = along.film(export, record, rows=2, run=run)
    found, counts = streamed(export, run, record)
    count = -(-seconds // 5)
    assert whole["prediction"].shape == (count, 1)
    np.testing.assert_allclose(whole["start"], 5 * np.arange(count))
    np.testing.assert_allclose(found, whole["prediction"], atol=1e-6)
    n = export.model.clips
    assert counts == [n if (k + 1) % n == 0 else 0 for k in range(count)]
    again = along.film(export, record, rows=5, run=run)  # how many at once changes nothing
    np.testing.assert_allclose(again["prediction"], whole["prediction"], atol=1e-6)


def test_a_stream_looks_at_no_clip_after_the_run(model):
    export, run = model
    record, other = film(60), film(60)
    other["features"] = {m: x.copy() for m, x in other["features"].items()}
    other["features"]["audio"][41:] = 7
    before = slice(0, 8)
    np.testing.assert_array_equal(
        streamed(export, run, record)[0][before], streamed(export, run, other)[0][before]
    )


class Films:
    """A source of records."""

    def __init__(self, *records):
        self.records = records
        self.ids = self.groups = [one["id"] for one in records]
        self.durations = [one["duration"] for one in records]

    def __len__(self):
        return len(self.records)

    def __getitem__(self, i):
        return self.records[i]


def test_evaluation_gives_the_same_numbers_second_by_second(model):
    export, run = model
    records = [film(98, "a"), film(33, "b"), film(7, "c")]
    mesh = sharding.mesh_of(jax.devices()[:1])
    metrics, arrays, ids = evaluate.evaluate(
        evaluate.predictor(export.model, mesh), export.model, export.params, export.model_state,
        export.examples.into_clips(Films(*records)), export.examples, mesh, batch=8,
    )  # fmt: skip
    for record in records:
        clips = along.film(export, record, run=run)["prediction"]
        rows = [i for i, name in enumerate(ids) if name.startswith(record["id"] + "@")]
        expected = np.repeat(clips, 5, 0)[: len(rows)]
        assert len(rows) == record["duration"]
        alone = export.predict(record)  # a film's own record, as a dataset has it
        np.testing.assert_allclose(alone["prediction"], expected, atol=1e-6)
        np.testing.assert_array_equal(alone["second"], np.arange(len(rows)))
        np.testing.assert_allclose(arrays["prediction"][rows], expected, atol=1e-6)
        value = 0 if export.model.outputs == ("valence",) else 1
        np.testing.assert_allclose(arrays["truth"][rows, 0], record["values"][:, value])
    assert metrics["films"] == 3 and metrics["count"] == 98 + 33 + 7


class Endless:
    """Rows of features made when they are asked for, which is what a mapped file is like."""

    ndim = 2

    def __init__(self, rows: int, width: int):
        self.shape = (rows, width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at):
        rows = np.arange(*at.indices(len(self))) if isinstance(at, slice) else np.asarray(at)
        return np.repeat(np.sin(rows)[:, None], self.shape[1], 1)


def test_two_hours_take_no_more_memory_than_ten_minutes_but_for_what_they_give(model):
    export, run = model
    peaks = {}
    for seconds in (600, 600, 7200):  # the first one warms up
        record = film(1) | {"duration": float(seconds), "values": np.zeros((0, 2), np.float32),
                            "values_time": np.zeros(0, np.float32)}  # fmt: skip
        record["features"] = {m: Endless(seconds, width) for m, width in MODALITIES.items()}
        tracemalloc.start()
        found = along.film(export, record, rows=4, run=run)
        peaks[seconds] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(found["prediction"]) == seconds // 5
    outputs = 7200 // 5 * (8 + 8 + 4 + 4)  # starts, predictions, and what they are made from
    assert peaks[7200] < peaks[600] + outputs


def test_vectors_are_of_the_labelled_clips_alone():
    record = film(58)
    record["values"][:13] = np.nan
    record["features"]["scene"] = record["features"]["scene"][:30]
    found, truth = clip_pictures.vectors(exported(1, 0.0), [record])
    assert {m: x.shape for m, x in found.items()} == {"audio": (9, 6), "scene": (9, 6)}
    expected = [record["values"][5 * k : 5 * k + 5, 0].mean() for k in range(3, 12)]
    np.testing.assert_allclose(truth, expected, rtol=1e-5)
    silent = [k for k in range(3, 12) if 5 * k >= 30]
    assert not found["scene"][[k - 3 for k in silent]].any() and found["scene"][:3].any(1).all()


def test_the_report_puts_every_modality_of_the_test_films_in_a_plane(monkeypatch):
    runs = types.SimpleNamespace(folder=pathlib.Path("x"))
    data = types.SimpleNamespace(parts={"test": [film(58), film(31)]})
    export = exported(1, 0.0)
    monkeypatch.setattr(looking.export, "load", lambda folder: export)
    monkeypatch.setattr(looking.load, "load", lambda **settings: data)
    found = dict(looking.planes(runs, "data", "valence"))
    assert [*found] == ["clips valence audio", "clips valence scene"]
    for figure in found.values():
        assert sum(len(dots.get_offsets()) for dots in figure.axes[0].collections) == 12 + 7
    assert not dict(looking.planes(runs, "data", "arousal"))  # which this model does not predict


def test_another_model_is_refused():
    config = config_dict.ConfigDict(configlib.to_plain(lstc.get_config("me15_valence")))
    with pytest.raises(UserError, match="along films"):
        along.forward(Export(pathlib.Path("x"), config, {}, {}, {}, None))
