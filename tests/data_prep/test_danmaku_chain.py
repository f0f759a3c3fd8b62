"""From videos with comments to a trained model of distributions: every command of the chain."""

import json

import pytest

from affectjax.errors import COMPLETE
from affectjax.main import main
from data_prep import build, sample
from tests.studies.runs import ROOT


@pytest.mark.slow
def test_rendered_videos_and_their_comments_end_in_a_model_better_than_the_mean(tmp_path):
    videos, dataset, workdir = (str(tmp_path / name) for name in ("videos", "ldl", "run"))
    words = [f"--out={videos}", "--size=quick", "--sources=20", "--workers=2"]
    assert sample.main(words) == COMPLETE
    words = [
        "danmaku_ldl", f"--videos={videos}", f"--out={dataset}", "--lexicon=sample",
        "--tokeniser=whitespace", "--extractors=lowlevel", "--workers=2",
        '--options={"lag": 3, "least": 3}',
    ]  # fmt: skip
    assert build.main(words) == COMPLETE
    words = [
        "main", f"--config={ROOT}/configs/danmaku.py:small,rendered", f"--workdir={workdir}",
        f"--config.data.dir={dataset}", "--config.train.tensorboard=False",
    ]  # fmt: skip
    assert main(words) == COMPLETE
    found = json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]
    assert found["windows"] >= 30
    assert found["kl"] < found["mean/kl"]
