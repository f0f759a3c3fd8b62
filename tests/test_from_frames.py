"""From rendered videos to records to both models trained on frames and sound, and an export."""

import csv
import json

import numpy as np
import pytest

import affectjax
from affectjax import main
from affectjax.backbones import weights
from affectjax.data import pipeline, records, sample
from affectjax.data.sample_world import SEGMENT_SECONDS
from affectjax.data.snippets import SnippetExamples
from configs import cten, vaanet
from data_prep import build, render
from data_prep import sample as rendering
from tests.data_prep import making

SEGMENTS, SHOWN = 4, 7  # of a clip, and clips of the first video
SMALLER = {
    "model.segments": 2, "model.cells": 16, "examples.frames": 4, "examples.frame_size": 16,
    "model.sight.blocks": (1,), "model.sound.blocks": (1,),
    "examples.mfcc_rows": 64, "train.steps": 12, "train.log_every": 3, "train.workers": 1,
    "train.tensorboard": False, "model.sound_size": 16,
}  # fmt: skip
OUTPUTS = ",".join(vaanet.SAMPLE)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Records of frames and MFCC: two rendered films of several clips, and one without sound."""
    root = tmp_path_factory.mktemp("frames")
    stories = sample.make("quick", 0).splits["train"]
    rows = []
    for film, split in (("a", "train"), ("b", "test")):
        clips = stories[:SHOWN] if split == "train" else stories[SHOWN : SHOWN + 2]
        parts = [{m: x[:SEGMENTS] for m, x in clip.features.items()} for clip in clips]
        render.film(parts, root / f"{film}.mp4")
        for i, clip in enumerate(clips):
            start, seconds = i * SEGMENTS * SEGMENT_SECONDS, SEGMENTS * SEGMENT_SECONDS
            label = sample.SPEC.label_names[clip.label]
            rows.append([f"{film}{i}", f"{film}.mp4", film, split, label, start, start + seconds])
    making.video(root / "silent.mp4", 2.0, sound=False)
    rows.append(["silent", "silent.mp4", "silent", "train", "fear", 0, 2])
    with open(root / "clips.csv", "w", newline="") as file:
        csv.writer(file).writerows([rendering.COLUMNS, *rows])
    command = ["labelled", f"--videos={root}", f"--out={root}/made", "--extractors=frames,mfcc",
               "--extractor-options", json.dumps({"frames": {"side": 64}}),
               "--options", json.dumps({"classes": OUTPUTS}), "--workers=2"]  # fmt: skip
    assert build.main(command) == 0
    return root / "made"


def losses_of(workdir):
    lines = (json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.slow
@pytest.mark.parametrize("module", [vaanet, cten])
def test_a_model_trains_from_frames_and_its_export_predicts(module, dataset, tmp_path, capsys):
    found = records.open_dataset(dataset)
    assert found.spec.frames and found.spec.mfcc == 32 and found.splits == {"train": 8, "test": 2}
    name = module.__name__.rpartition(".")[2]
    settings = module.get_config("tiny").model.sight.to_dict() | {"blocks": (1,)}
    folder = tmp_path / "weights"  # the second of the two starts from converted weights
    weights.save(folder, weights.random("resnet3d", 1, **settings))
    start = f"(('sight', '{folder}'),)" if module is cten else "()"
    other = "model.sound_size" if module is vaanet else "model.cells"
    given = {key: value for key, value in SMALLER.items() if key != other}
    given |= {"data.dir": dataset, "train.init_from_weights": start}
    command = ["main", f"--config={module.__file__}:tiny", f"--workdir={tmp_path / name}",
               *(f"--config.{key}={value}" for key, value in given.items())]  # fmt: skip
    assert main.main(command) == 0, capsys.readouterr().err
    losses = losses_of(tmp_path / name)
    assert len(losses) == 4 and losses[-1] < 0.7 * losses[0] and np.isfinite(losses).all()
    model = affectjax.load(tmp_path / name / "export")
    for split in ("train", "test"):
        for record in found.split(split):
            answer = model.predict(record)
            np.testing.assert_allclose(answer["probability"].sum(1), 1, rtol=1e-5)
    assert record["id"] == "b1" and len(found.split("train")[SHOWN]["mfcc"]) == 0
    assert main.main(command) == 0  # complete: nothing is done again
    assert "complete" in capsys.readouterr().out


@pytest.mark.slow
def test_workers_change_every_example_by_its_own_seed(dataset):
    """The same batches with and without workers; in each epoch other cuts of the same video."""
    source = records.open_dataset(dataset).split("train")
    rule = SnippetExamples({}, vaanet.SAMPLE, 2, frames=4, frame_size=32, mfcc=32, mfcc_rows=64)
    rows = np.arange(len(source))
    given = []
    for workers in (0, 1):
        with pipeline.train_batches(
            source, rule, batch=len(source), seed=3, rows=rows, workers=workers
        ) as batches:
            given.append([next(batches) for _ in range(2)])
    for here, there in zip(*given):
        assert here.ids == there.ids
        for key, array in here.arrays.items():
            np.testing.assert_array_equal(array, there.arrays[key])
    first, second = given[0]
    assert sorted(first.ids) == sorted(second.ids) and first.arrays["frames"].any()
    again = [second.ids.index(name) for name in first.ids]
    same = first.arrays["frames"] == second.arrays["frames"][again]
    assert not same.all((1, 2, 3, 4, 5)).all()
    heard = dict(zip(first.ids, first.arrays["present/mfcc"].any(1).tolist()))
    assert not heard["silent"] and sum(heard.values()) == len(source) - 1  # one batch, both kinds
