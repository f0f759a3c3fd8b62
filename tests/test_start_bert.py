"""BERT's weights as the start of comment classifiers: rows by word, one network an emotion."""

import json

import jax
import numpy as np
import pytest

from affectjax import export, start_bert
from affectjax.backbones import bert, weights
from affectjax.data import records
from affectjax.data.vocabulary import SPECIALS
from affectjax.errors import BAD_INPUT, COMPLETE, UserError
from affectjax.main import main
from data_prep.labelling import classify, corpus, texts

VOCABULARY = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "好", "坏", "\u2028", "好"]
VOCABULARY += list("的一是不看")
SIZES = {"width": 8, "layers": 1, "heads": 2, "ffn": 8, "positions": 12}
CONFIG = __file__.replace("tests/test_start_bert.py", "configs/danmaku_comments.py")


@pytest.fixture
def started(tmp_path):
    """Random weights of a tiny BERT, and the export made of them."""
    stored = weights.random("bert", 0, vocabulary=len(VOCABULARY), **SIZES)
    weights.save(tmp_path / "bert", stored)
    (tmp_path / "vocab.txt").write_bytes("\n".join(VOCABULARY).encode() + b"\n")
    return tmp_path, stored


def test_every_word_keeps_its_row(started, capsys):
    folder, stored = started
    words = [str(folder / "bert"), str(folder / "vocab.txt")]
    assert start_bert.main([*words, f"--out={folder / 'start'}"]) == COMPLETE
    assert "--config.model.network={'width': 8" in capsys.readouterr().out
    found = export.load(folder / "start")
    ours, rows = found.vocabulary.words, found.params["encoder"]["words"]
    theirs = np.asarray(stored.variables["params"]["words"])
    assert ours[:4] == SPECIALS and len(ours) == len(rows) == len(VOCABULARY) - 2
    for name, word in zip(start_bert.THEIRS, SPECIALS):
        np.testing.assert_array_equal(rows[ours.index(word)], theirs[VOCABULARY.index(name)])
    for word in ("[SEP]", "坏", "看", "[unused1]"):
        np.testing.assert_array_equal(rows[ours.index(word)], theirs[VOCABULARY.index(word)])
    last = len(VOCABULARY) - 1 - VOCABULARY[::-1].index("好")  # the later one is what a text gets
    np.testing.assert_array_equal(rows[ours.index("好")], theirs[last])
    assert start_bert.main([*words, f"--out={folder / 'start'}"]) == BAD_INPUT
    capsys.readouterr()
    assert start_bert.main(words) == BAD_INPUT
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(UserError, match="a start of training"):
        _ = found.examples
    with pytest.raises(UserError, match="no heads"):
        classify.load([str(folder / "start")])
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    assert start_bert.main([*words, f"--out={folder / 'other'}"]) == BAD_INPUT
    assert "[CLS] is missing" in capsys.readouterr().err


@pytest.mark.slow
def test_the_papers_way_six_networks_from_one_bert(started, capsys):
    """Two emotions here: training starts from the weights and gives an export for each."""
    folder, stored = started
    words = [str(folder / "bert"), str(folder / "vocab.txt"), f"--out={folder / 'start'}"]
    assert start_bert.main(words) == COMPLETE
    rows = [
        texts.Row(f"{i}", f"{'好' if i % 2 else '坏'}看{'的一是不'[i % 4]}" + "一" * (i // 8),
                  labels=("joy" if i % 2 else "fear",))
        for i in range(64)
    ]  # fmt: skip
    corpus.build(rows, {"split": "order", "emotions": ["joy", "fear"]}, folder / "data")
    argv = [
        "main", f"--config={CONFIG}:bert", f"--workdir={folder / 'run'}",
        f"--config.data.dir={folder / 'data'}", f"--config.train.init_from={folder / 'start'}",
        f"--config.model.network={SIZES}", "--config.model.outputs=('joy', 'fear')",
        "--config.examples.values=('joy', 'fear')", "--config.examples.slots=12",
        "--config.train.steps=30", "--config.train.batch=16", "--config.train.evaluate_every=10",
        "--config.optim.learning_rate=0.01", "--config.optim.warmup=1",
        "--config.train.tensorboard=False",
    ]  # fmt: skip
    assert main(argv) == COMPLETE
    assert "balanced_accuracy/joy" in capsys.readouterr().out
    for name in ("joy", "fear"):
        made = export.load(folder / "run" / name / "export")
        assert tuple(made.config.model.outputs) == (name,)
        result = json.loads((folder / "run" / name / "result.json").read_text())["metrics"]
        assert result[f"auc/{name}"] == 1.0
        source = records.open_dataset(folder / "data").split("test")
        assert made.predict(source[0])["probability"].shape == (1, 1)
        moved = jax.tree.map(lambda a, b: float(abs(a - b).max()),
                             made.params["encoder"]["layer_0"],
                             dict(stored.variables["params"]["layer_0"]))  # fmt: skip
        assert max(jax.tree.leaves(moved)) < 0.5  # it started there, and was not drawn anew
    s = bert.Settings(**made.config.model.network.to_dict())
    assert s.width == 8
