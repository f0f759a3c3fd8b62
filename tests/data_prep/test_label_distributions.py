"""Distributions by classifiers: every comment of the file is read, p >= 0.5 counts, parts join."""

import numpy as np
import pytest

from affectjax.errors import BAD_INPUT, UserError
from data_prep import build, builders
from data_prep.labelling import classify
from data_prep.plan import Found, Request, Said
from tests.data_prep import making

NAMES = ("joy", "disgust", "anger")


@pytest.fixture
def judged(monkeypatch):
    """Classifiers that are sure of a text by its first word; what they were asked is kept."""
    table = {"happy": (0.5, 0.1, 0.0), "angry": (0.2, 0.49, 0.9), "wow": (0.9, 0.8, 0.0)}
    asked = []

    def probabilities(exports, texts):
        asked.extend(texts)
        return np.array([table.get(t.split()[0], (0, 0, 0)) for t in texts]).reshape(-1, 3)

    monkeypatch.setattr(classify, "load", lambda folders: list(folders))
    monkeypatch.setattr(classify, "emotions", lambda exports: NAMES)
    monkeypatch.setattr(classify, "digest", lambda exports: "-".join(exports))
    monkeypatch.setattr(classify, "probabilities", probabilities)
    return asked


@pytest.fixture
def videos(tmp_path):
    """Twelve videos, each with ten comments in two windows; of the second, two count."""
    for i in range(12):
        (tmp_path / f"v{i:02d}.mp4").write_bytes(b"")
        texts = ["happy !!!"] * 3 + ["angry :(", "wow 666"] + ["happy", "wow", "hm", "hm", "hm"]
        times = [0, 1, 1, 2, 4.99, 5, 6, 7, 8, 9]
        rows = "".join(f"<d p='{t},1,25,0,0,0,0,{n}'>{text}</d>"
                       for n, (t, text) in enumerate(zip(times, texts)))  # fmt: skip
        (tmp_path / f"v{i:02d}.xml").write_text(f"<i>{rows}</i>")
    return tmp_path


def plan(videos, **options):
    builder = builders.named("danmaku_ldl")
    chosen = builders.options(builder, options)
    return builder.plan(Request(videos, None, None, chosen, None, ("one", "other")))


def target(made):
    none = np.zeros(0, np.float32)
    said = Said(none, [], [], none, {})  # what cleaning would keep is not looked at
    found = made.clips(lambda source: Found(10.0, said))
    return found["train"][0].targets["distribution"]


def test_windows_by_hand(videos, judged):
    made = plan(videos)
    assert made.spec["distribution_names"] == ("joy", "disgust")
    rows = target(made)
    # three happy, one angry that is disgust, one wow of both; the second window has too few
    np.testing.assert_allclose(rows[0], [4 / 6, 2 / 6], rtol=1e-6)
    assert np.isnan(rows[1]).all() and "wow 666" in judged
    assert made.metadata["classifiers"] == {"emotions": list(NAMES), "digest": "one-other"}


def test_options_of_counting(videos, judged):
    with pytest.raises(UserError, match="has 5 counted comments"):  # none of the happy ones does
        target(plan(videos, threshold=0.6))
    rows = target(plan(videos, threshold=0.6, least=2, smoothing=1.0))
    np.testing.assert_allclose(rows[0], [2 / 5, 3 / 5], rtol=1e-6)
    made = plan(videos, part_of={}, least=1)
    assert made.spec["distribution_names"] == NAMES
    np.testing.assert_allclose(target(made)[0], [4 / 6, 1 / 6, 1 / 6], rtol=1e-6)
    with pytest.raises(UserError, match="'anger' cannot count for 'digust'.*'disgust'"):
        plan(videos, part_of={"anger": "digust"})


def test_other_datasets_take_no_classifiers(tmp_path, capsys):
    making.video(tmp_path / "a.mp4", seconds=0.5)
    words = [f"--videos={tmp_path}", f"--out={tmp_path}/out", "--classifiers=x"]
    assert build.main(["video_tsc", *words]) == BAD_INPUT
    assert "takes no --classifiers" in capsys.readouterr().err


def test_what_is_no_classifier_is_named(tmp_path):
    with pytest.raises(UserError, match="not an export"):
        classify.load([str(tmp_path)])
    with pytest.raises(UserError, match="no classifier"):
        classify.load([])
