"""Which pictures runs allow: timelines and sweeps of themselves, the rest beside their dataset."""

import io
import pathlib

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures are drawn with matplotlib")

from affectjax import tables  # noqa: E402
from affectjax.data import records  # noqa: E402
from affectjax.errors import UserError  # noqa: E402
from affectjax.main import main as train  # noqa: E402
from affectjax.report import fill, gallery, runs, segments  # noqa: E402
from affectjax.report.__main__ import main  # noqa: E402
from tests.report import workdirs  # noqa: E402

ROOT = pathlib.Path(__file__).parent.parent.parent
NAMES = ("joy", "fear")


def looked(seed: int, ids=("a", "b", "c", "d", "e")) -> dict[str, dict]:
    """A run that kept its curves over four segments; the second video was not annotated."""
    rng = np.random.default_rng(seed)
    n = len(ids)
    made = workdirs.of_classes(rng.random((n, 2)), np.zeros(n, int), NAMES)
    columns = made["columns"] | {f"curve_{t}": rng.random(n) for t in range(4)}
    columns |= {"duration": np.full(n, 8.0), "truth_0": np.full(n, 2.0), "truth_1": np.full(n, 6.0)}
    columns |= {"truth_2": np.zeros(n)}
    columns["truth_0"][1] = np.nan
    return {"": made | {"columns": columns, "ids": list(ids), "groups": list(ids)}}


def workdir(folder, variants, run, config="cten"):
    about = {"model": {"curve_threshold": 0.5}}
    workdirs.write(folder, variants, run, ("own", "d"), config=config, exported=about)
    return runs.read(folder)


def test_timelines_are_of_the_videos_that_all_runs_saw_and_someone_annotated(tmp_path):
    given = [workdir(tmp_path / "1", "", looked(1)),
             workdir(tmp_path / "2", "", looked(2, ("e", "d", "b", "a")), "vaanet")]  # fmt: skip
    names = gallery.write(tmp_path, [], given, {})
    assert names == ["timeline_a.png", "timeline_d.png", "timeline_e.png"]
    for name in names:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    (_, one), (_, other) = gallery.experiments(given)
    assert (one.name, other.name) == ("cten", "vaanet")
    assert other.found.ids[3] == "a" and not one.found.truths(1)


def test_no_picture_stands_on_another(tmp_path):
    ids = ("a-b", "a_b", "喜羊羊", "灰太狼", "A b", "长" * 200)
    taken: list[str] = []
    for name in ids:
        taken.append(gallery._file(f"timeline {name}", taken))
    assert taken[:5] == ["timeline_a_b.png", "timeline_a_b-2.png", "timeline_喜羊羊.png",
                         "timeline_灰太狼.png", "timeline_A_b-3.png"]  # fmt: skip
    assert len(taken[5].encode()) < 255
    given = [workdir(tmp_path / "1", "", looked(1, ("кот", "x", "пёс", "a-b", "a_b")))]
    names = gallery.write(tmp_path, [], given, {})
    assert len({*names}) == 3 and all((tmp_path / name).is_file() for name in names)


def test_what_a_run_wrote_down_is_read_back(tmp_path):
    run = looked(3)[""]
    path = workdirs.table(tmp_path / "p.csv", run["ids"], run["columns"], run["groups"])
    found = segments.read(path)
    columns = run["columns"]
    np.testing.assert_allclose(found.curve[:, 2], columns["curve_2"])
    np.testing.assert_allclose(found.probability[:, 1], columns["probability_fear"])
    assert found.names == NAMES and [(t.start, t.end) for t in found.truths(0)] == [(2, 6)]
    plain = workdirs.table(tmp_path / "q.csv", ["a"], {"label": [0], "probability_joy": [1.0]})
    assert segments.read(plain) is None and segments.read(tmp_path / "none.csv") is None
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match="line 6"):
        segments.read(path)


def test_experiments_of_one_name_are_told_apart_and_those_without_curves_left_out(tmp_path):
    made = workdirs.ten_splits(np.random.default_rng(0), 0.5)
    given = [workdir(tmp_path / "1", "small", looked(1)), workdir(tmp_path / "2", "", looked(2)),
             workdir(tmp_path / "3", "", made)]  # fmt: skip
    assert [one.name for _, one in gallery.experiments(given)] == ["cten", "cten 2"]


def test_the_sweep_has_every_threshold_that_was_run(tmp_path):
    given = []
    for i, variants in enumerate(("theta00", "", "theta10")):
        made = {f"split-{k}": {"metrics": {"accuracy": 0.4 + 0.1 * i + 0.01 * k}} for k in (0, 1)}
        folder = workdirs.write(tmp_path / str(i), variants, made, config="cten")
        given.append(runs.read(folder))
    table = next(t for t in tables.load("cten").tables if t.number.startswith("Figure"))
    found, _ = fill.sections(table, given)
    values, measured = gallery.sweep(found)
    assert values == [0.0, 0.7, 1.0] and [*measured] == ["VideoEmotion-8"]
    means = [mean for mean, _, _ in measured["VideoEmotion-8"]]
    assert means == pytest.approx([40.5, 50.5, 60.5])
    assert gallery.write(tmp_path, found, given, {}) == ["theta.png"]
    alone, _ = fill.sections(table, given[:1])
    assert gallery.sweep(alone) is None


def jpeg(shade: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.full((24, 24, 3), shade, np.uint8)).save(file, "JPEG")
    return file.getvalue()


def dataset(folder) -> str:
    """Videos of maps with four cells, frames beside them."""
    rng = np.random.default_rng(0)

    def clips(start, stop):
        for i in range(start, stop):
            yield {
                "id": f"clip{i}", "group": f"g{i}", "start": 0.0, "duration": 10.0, "label": i % 2,
                "features": {"motion": rng.normal(size=(10, 8)).astype(np.float16)},
                "rate": {"motion": 1.0},
                "frames": [jpeg(20 * t) for t in range(10)],
                "frames_time": np.arange(10, dtype=np.float32) + 0.5,
            }  # fmt: skip

    spec = records.Spec(modalities={"motion": 8}, label_names=NAMES, frames=True)
    records.write(folder, "own", spec, {"train": clips(0, 16), "test": clips(16, 18)})
    return str(folder)


@pytest.mark.slow
def test_beside_its_dataset_a_run_shows_frames_and_how_faithful_it_is(tmp_path, capsys):
    where = dataset(tmp_path / "data")
    command = [
        "main", f"--config={ROOT}/configs/vaanet.py:ekman6,vs_vcw_vt",
        f"--workdir={tmp_path / 'run'}",
        f"--config.data.dir={where}", "--config.data.validation=0.0", "--config.model.cells=4",
        f"--config.model.outputs={NAMES}", "--config.model.positive=('joy',)",
        "--config.model.modalities.motion=8", "--config.train.steps=2", "--config.train.batch=8",
        "--config.train.tensorboard=False", "--config.recipe.times=1", "--config.checkpoint.best=",
    ]  # fmt: skip
    assert train(command) == 0, capsys.readouterr().err
    out = tmp_path / "tables"
    given = ["--paper=vaanet", str(tmp_path / "run"), f"--out={out}", f"--dataset={where}"]
    assert main(given) == 0
    said = capsys.readouterr().err
    pictured = sorted(path.name for path in out.glob("*.png"))
    assert [name.split("_")[0] for name in pictured] == ["faithfulness.png", "frames", "frames"]
    assert all("vaanet" in name for name in pictured[1:])
    assert all(f"picture: {out / name}" in said for name in pictured)
