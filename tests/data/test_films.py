"""Films in clips: every run once, every clip new once, targets and holes by plain loops."""

import pickle
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax import films as names
from affectjax.data.films import FilmExamples, clip_count
from affectjax.data.splits import Subset
from affectjax.errors import UserError

MODALITIES = {"audio": 3, "scene": 2}
RANDOM = np.random.default_rng(0)


def rule(clips: int = 4, segments: int = 5, **more) -> FilmExamples:
    return FilmExamples(MODALITIES, ("arousal",), segments, clips, **more)


def film(seconds: float, name: str = "a", holes: float = 0.3) -> dict:
    """A film whose rows and values say which second they are of."""
    count = int(np.ceil(seconds))
    values = np.stack([-np.arange(count), np.arange(count)], 1).astype(np.float32)
    values[RANDOM.random(count) < holes] = np.nan
    row = np.arange(count, dtype=np.float16)[:, None]
    return {
        "id": name, "group": name, "start": 0.0, "duration": float(seconds),
        "features": {"audio": np.repeat(row, 3, 1), "scene": np.repeat(row[: count // 2], 2, 1)},
        "rate": {"audio": 1.0, "scene": 1.0},
        "values": values, "values_time": np.arange(count, dtype=np.float32) + 0.5,
    }  # fmt: skip


class Films:
    """A source of films."""

    def __init__(self, *films: dict):
        self.films, self.reads = films, 0
        self.ids = [one["id"] for one in films]
        self.groups = [one["group"] for one in films]
        self.durations = [one["duration"] for one in films]

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, i: int) -> dict:
        self.reads += 1
        return self.films[i]


@given(st.lists(st.floats(1, 140), min_size=1, max_size=3), st.integers(1, 6), st.integers(1, 7))
def test_runs_cover_every_clip_once_and_training_every_run_once(seconds, clips, segments):
    source = Films(*(film(s, f"film-{i}") for i, s in enumerate(seconds)))
    r = rule(clips, segments)
    counts = [clip_count(s, segments, 1.0) for s in seconds]
    cut = r.into_clips(source)
    assert cut.ids == [
        names.clip_id(f"film-{i}", k) for i, n in enumerate(counts) for k in range(n)
    ]
    given_clips, starts = [], {i: [] for i in range(len(seconds))}
    for i in range(len(cut)):
        record = cut[i]
        for part in range(r.parts(record)):
            example = r.evaluate(record, part)
            own = example["clip"][example["new"]]
            given_clips += [(record["group"], int(k)) for k in own]
            assert names.film_of(record["id"])[1] == own[0]
            starts[int(record["group"][-1])].append(int(example["clip"][0]))
    assert given_clips == [names.film_of(name) for name in cut.ids]
    for i, n in enumerate(counts):
        assert starts[i] == [min(first, max(0, n - clips)) for first in range(0, n, clips)]
    training = r.into_clips(source, train=True)
    begins = [(training.groups[i], int(r.train(training[i], None)["clip"][0]))
              for i in range(len(training))]  # fmt: skip
    assert begins == [(f"film-{i}", k) for i, n in enumerate(counts)
                      for k in range(max(1, n - clips + 1))]  # fmt: skip


@pytest.mark.parametrize("seconds", [3, 19.6, 47, 60])
def test_an_example_is_what_a_plain_loop_cuts(seconds):
    one, r = film(seconds), rule(clips=3, segments=5)
    for record in (r.into_clips(Films(one))[i] for i in range(clip_count(seconds, 5, 1.0))):
        example = r.train(record, None)
        for place in range(3):
            clip = record["clip"] + place
            rows = [s for s in range(clip * 5, clip * 5 + 5) if s + 0.5 < seconds + 1e-6]
            known = [one["values"][s, 1] for s in rows if np.isfinite(one["values"][s, 1])]
            assert example["length"][place] == len(rows)
            assert example["clip"][place] == (clip if rows else -1)
            for i, s in enumerate(rows):
                assert example["features/audio"][place, i, 0] == s
                there = s < len(one["features"]["scene"]) + 1  # the row before speaks for one more
                assert example["present/scene"][place, i] <= there
                truth, told = example["truth"][place, i, 0], one["values"][s, 1]
                assert truth == told or (np.isnan(truth) and np.isnan(told))
            assert not example["present/audio"][place, len(rows) :].any()
            if rows and len(known) >= len(rows) / 2 and known:
                assert example["values"][place, 0] == pytest.approx(np.mean(known))
            else:
                assert np.isnan(example["values"][place, 0])


def test_a_clip_s_own_record_holds_its_rows_and_values():
    one = film(23, holes=0.0)
    record = rule().into_clips(Films(one))[2]
    assert (record["start"], record["duration"], record["id"]) == (10.0, 5.0, "a@0002")
    np.testing.assert_array_equal(record["features"]["audio"][:, 0], np.arange(10, 15))
    np.testing.assert_array_equal(record["features"]["scene"][:, 0], [10])
    np.testing.assert_array_equal(record["values"][:, 1], np.arange(10, 15))
    np.testing.assert_allclose(record["values_time"], np.arange(5) + 0.5)
    assert rule().into_clips(Films(one))[4]["duration"] == 3.0


def test_a_film_is_read_once_for_all_its_clips_and_workers_get_the_source_without_it():
    source = Films(film(50), film(40, "b"))
    cut = rule().into_clips(source)
    for i in [*range(len(cut)), 0, 12]:
        cut[i]
    assert source.reads == 2
    again = pickle.loads(pickle.dumps(cut))
    assert again[3]["id"] == cut[3]["id"] and again.source.reads == 3


def test_hidden_and_half_known():
    example = rule(hide=("scene",)).window(film(50, holes=0.0), 2, 3)
    assert not example["present/scene"].any() and example["present/audio"].all()
    np.testing.assert_array_equal(example["new"], [False, True, True, True])
    one = film(5, holes=0.0)
    one["values"][:3] = np.nan
    assert np.isnan(rule().window(one, 0, 0)["values"][0, 0])
    assert rule(least=0.4).window(one, 0, 0)["values"][0, 0] == 3.5


def test_what_cannot_be_is_said():
    spec = types.SimpleNamespace(value_names=("valence", "arousal"))
    rule().check(spec, "here")
    with pytest.raises(UserError, match="examples.values"):
        rule(values=("arousal",)).check(spec, "here")
    with pytest.raises(UserError, match="no value 'arousal'"):
        rule(values=("valence",))
    with pytest.raises(UserError, match="cannot hide"):
        rule(hide=("faces",))


def test_a_subset_of_films_knows_how_long_they_are():
    source = Subset(Films(film(50), film(40, "b")), [1])
    assert rule().into_clips(source).ids[-1] == "b@0007"
