"""The report against plain counts, its page, and the command that looks at every byte."""

import html.parser
import json
import re

import numpy as np
import pytest

from affectjax.data import records
from affectjax.errors import BAD_INPUT, COMPLETE
from data_prep import report, verify

SPEC = records.Spec(
    modalities={"image": 3, "audio": 2}, comments=True, label_names=("joy", "fear"),
    value_names=("valence",), distribution_names=("a", "b"), segments=True,
)  # fmt: skip


def clip(i: int) -> dict:
    rng = np.random.default_rng(i)
    image = rng.normal(size=(4, 3))
    image[:, 2] = 7.0  # constant in the whole dataset
    audio = np.zeros((0, 2)) if i == 0 else np.zeros((4, 2)) if i == 1 else rng.normal(size=(4, 2))
    return {
        "id": f"<b>{i}</b>", "group": f"g{i % 2}", "start": 0.0, "duration": 2.0 + 10 * i,
        "features": {"image": image, "audio": audio},
        "comments": {"word": ["so", "sad"] * i, "length": [2] * i, "time": [0.5] * i,
                     "emotional": [0, 1] * i},
        "label": i % 3 - 1, "values": [[0.5 if i else np.nan]], "values_time": [0.0],
        "distribution": [[0.25, 0.75], [np.nan, np.nan]], "distribution_time": [1.0, 2.0],
        "segments": [[0, 1, 0]],
    }  # fmt: skip


@pytest.fixture
def dataset(tmp_path):
    records.write(tmp_path / "d", "demo", SPEC, {"train": map(clip, range(5))})
    return tmp_path / "d"


TOLD = {"skipped": {"x<script>": "no & picture"}, "notes": {"y": ["odd"]}, "cleaning": {"few": 3}}


def test_the_counts_are_those_of_the_records(dataset):
    page = report.write(dataset, TOLD)
    assert page == json.loads((dataset / report.FILE).read_text())
    found = page["splits"]["train"]
    assert found["clips"] == 5 and found["groups"] == 2 and found["segments"] == 5
    assert found["seconds"] == {"least": 2, "median": 22, "mean": 22, "most": 42, "total": 110}
    assert found["durations"]["10 to 20"] == 1 and sum(found["durations"].values()) == 5
    assert found["comments"]["total"] == 10 and found["comments of a clip"]["1 to 5"] == 4
    assert found["emotional words"] == {"sad": 10}
    assert found["labels"] == {"joy": 2, "fear": 1, "unknown": 2}
    assert found["values"]["valence"]["masked"] == 1
    assert found["windows"] == {"counted": 5, "masked": 5}
    assert found["distribution"] == {"a": 0.25, "b": 0.75}
    image, audio = page["modalities"]["image"], page["modalities"]["audio"]
    assert image["constant features"] == [2] and image["rows"] == 20
    assert audio["clips without"] == 1 and audio["rows of zeros"] == 4
    assert audio["clips that never change"] == 1
    rows = np.concatenate([clip(i)["features"]["image"] for i in range(5)]).astype(np.float16)
    assert image["least"] == pytest.approx(float(rows.min()))
    assert image["deviation"] == pytest.approx(rows.astype(float).std(0).mean(), rel=1e-4)
    said = report.summary(page)
    assert "5 clips of 2 groups" in said and "1 constant features" in said
    assert "joy 2, fear 1, unknown 2" in said


class Page(html.parser.HTMLParser):
    """Collects tags and their nesting; raises where one is left open."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        if tag not in ("meta", "!doctype"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_nothing_in_it_is_markup_of_others(dataset):
    report.write(dataset, TOLD)
    text = (dataset / report.PAGE).read_text()
    assert "script" not in Page(text).seen and "x&lt;script&gt;" in text and "no &amp; pict" in text
    assert not re.search(r"https?:|src=|href=|url\(|@import", text)


def test_writing_the_report_twice_gives_the_same_bytes_and_harms_no_dataset(dataset):
    report.write(dataset, TOLD)
    first = [(dataset / name).read_bytes() for name in (report.FILE, report.PAGE)]
    report.write(dataset, TOLD)
    assert [(dataset / name).read_bytes() for name in (report.FILE, report.PAGE)] == first
    assert verify.main([str(dataset)]) == COMPLETE


def test_verify_names_what_is_damaged(dataset, capsys):
    shard = next(dataset.glob("*-of-*"))
    good = shard.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(20):
        bad = bytearray(good)
        bit = rng.integers(len(bad) * 8)
        bad[bit // 8] ^= 1 << (bit % 8)
        shard.write_bytes(bad)
        assert verify.main([str(dataset)]) == BAD_INPUT
        assert shard.name in capsys.readouterr().err
    shard.unlink()
    assert verify.main([str(dataset)]) == BAD_INPUT
    assert shard.name in capsys.readouterr().err
    shard.write_bytes(good)
    assert verify.main([str(dataset)]) == COMPLETE
    assert "intact: 5 records" in capsys.readouterr().out
    assert verify.main([str(dataset / "nowhere")]) == BAD_INPUT
