"""The prediction file says what its schema promises, and what is not so is named."""

import copy
import csv
import io
import json

import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.predicting import schema
from affectjax.predicting.timeline import Segment, Timeline, Track
from affectjax.predicting.windows import Windows

VALUES = Track("values", ("valence", "joy"), np.array([[0.5, -1.0], [np.nan, 2.0]], np.float32))
EMOTIONS = Track("classes", ("joy", "fear"), np.array([[0.75, 0.25], [0.1, 0.9]], np.float32))


def timeline(**more) -> Timeline:
    """A video of 3 s in steps of 2 s and 1 s."""
    plain = {
        "name": "a/b",
        "video": {"path": "/v.mp4", "duration": 3.0, "width": 64, "height": 48,
                  "frame_rate": 25.0, "has_sound": True, "notes": ["odd"]},
        "model": {"name": "m", "export": "e", "digest": "d", "dataset": "s", "trained": True},
        "window": Windows(2.0, 2.0),
        "edges": np.array([0.0, 2.0, 3.0]),
        "tracks": (EMOTIONS, VALUES),
        "attention": np.array([0.25, 1.0], np.float32),
        "segments": (Segment(2.0, 3.0, "fear", 0.9),),
        "segments_by": "attention",
    }  # fmt: skip
    return Timeline(**plain | more)


def test_everything_stands_in_the_file_and_comes_back():
    found = schema.as_json(timeline(), {"a": 1}, {"b": 2}, "b.mp4")
    assert found.items() >= schema.begun("b.mp4").items()
    again = schema.read(json.dumps(found, allow_nan=False), "here")
    assert again == found
    assert found["tracks"][0]["overall"] == pytest.approx([(0.75 * 2 + 0.1) / 3, 0.46666667])
    assert found["tracks"][1]["scores"] == [[0.5, -1.0], [None, 2.0]]
    assert found["segments"] == [{"start": 2.0, "end": 3.0, "label": "fear", "score": 0.9}]
    assert found["attention"] == [0.25, 1.0] and found["edges"] == [0.0, 2.0, 3.0]


CHANGES = {
    "format": lambda f: f.update(format="other"),
    "version 1": lambda f: f.update(version=2),
    "name": lambda f: f.pop("name"),
    "video.duration": lambda f: f["video"].update(duration="3"),
    "model.digest": lambda f: f["model"].pop("digest"),
    "window.stride": lambda f: f["window"].update(stride=None),
    "edges": lambda f: f.update(edges=[0.0, 3.0, 2.0]),
    r"tracks\[1\].kind": lambda f: f["tracks"][1].update(kind="other"),
    r"tracks\[0\].scores": lambda f: f["tracks"][0]["scores"].pop(),
    r"tracks\[0\].overall": lambda f: f["tracks"][0].update(overall=[True, 0.5]),
    "attention": lambda f: f.update(attention=[1.0]),
    r"segments\[0\]": lambda f: f["segments"][0].update(end=1.0),
    "made_from": lambda f: f.pop("made_from"),
    "copy": lambda f: f.update(copy=None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_as_promised_is_named(name):
    found = copy.deepcopy(schema.as_json(timeline()))
    CHANGES[name](found)
    with pytest.raises(UserError, match=f"^{name} is missing or is not as it should be"):
        schema.validate(found)


def test_any_file_that_is_something_else_is_refused():
    begun = json.dumps(schema.begun("film.mp4"))
    for text in ("", "[1]", "null", '{"format": "affectjax.prediction"}', begun):
        with pytest.raises(UserError):
            schema.read(text, "here")


def test_the_table_has_a_row_a_step_and_no_two_columns_of_a_name():
    rows = list(csv.DictReader(io.StringIO(schema.as_csv(timeline()))))
    assert list(rows[0]) == [
        "start", "end", "classes_joy", "fear", "valence", "values_joy", "attention", "leading",
    ]  # fmt: skip
    assert rows[1] == {"start": "2.0", "end": "3.0", "classes_joy": "0.1", "fear": "0.9",
                       "valence": "", "values_joy": "2.0", "attention": "1.0",
                       "leading": "fear"}  # fmt: skip


def test_pandas_reads_the_table_as_it_is():
    pandas = pytest.importorskip("pandas")
    found = pandas.read_csv(io.StringIO(schema.as_csv(timeline())))
    assert found["valence"].isna().tolist() == [False, True]
    assert found.drop(columns="leading").dtypes.map(lambda d: d.kind).unique().tolist() == ["f"]
