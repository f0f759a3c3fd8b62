"""Configs: defaults from signatures, variants, overrides, and errors that name the right key."""

import importlib
import pathlib
import textwrap

import pytest
from absl import flags

from affectjax import configlib
from affectjax.errors import UserError

ROOT = pathlib.Path(__file__).parent.parent
CONFIGS = sorted(path for path in (ROOT / "configs").glob("*.py") if path.stem != "__init__")


def parse(*words: str, config: str = "configs/tam_pretrain.py"):
    return configlib.parse(["main", f"--config={ROOT / config}", *words], flags.FlagValues())


def test_defaults_come_from_the_signatures():
    config, overrides = parse()
    assert config.model.layers == 12  # not in the file: TAM's own default
    assert config.optim.b2 == 0.999
    assert config.optim.warmup == 1000
    assert overrides == {}


def test_overrides_keep_their_type():
    config, overrides = parse(
        "--config.train.batch=4", "--config.data.dir=x", "--config.optim.clip=1"
    )
    assert config.train.batch == 4 and config.data.dir == "x" and config.optim.clip == 1.0
    assert overrides == {"train.batch": 4, "data.dir": "x", "optim.clip": 1.0}


def test_variants_lay_over_each_other_in_order():
    module = importlib.import_module("configs.tam_pretrain")
    config = module.get_config("small,word_only")
    assert config.model.width == 64 and config.loss.time == 0.0 and config.loss.word == 1.0


def test_a_variant_is_added_to_the_path_that_the_user_gave():
    argv = ["main", "--config=a.py:x", "--config.train.batch=2"]
    assert configlib.with_variant(argv, "small")[1:] == ["--config=a.py:x,small", argv[2]]
    assert configlib.with_variant(["main", "--config", "a.py"], "small")[2] == "a.py:small"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--config.train.bacth=4", "'train.batch'"),
        ("--config.trian.batch=4", "'train.batch'"),
        ("--config.train.batch=many", "many"),
        ("--config.data.validation=x", "x"),
    ],
)
def test_a_wrong_flag_is_named_with_the_nearest_right_one(word, said):
    with pytest.raises(UserError, match=said):
        parse(word)


def test_an_unknown_variant_names_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'random10'"):
        parse(config="configs/tam_pretrain.py:rndom10")


def test_a_missing_file_is_named():
    with pytest.raises(UserError, match="nothing.py"):
        parse(config="configs/nothing.py")


def test_no_config_at_all():
    with pytest.raises(UserError, match="no config"):
        configlib.parse(["main"], flags.FlagValues())


def test_a_wrong_key_in_a_config_file_names_the_nearest(tmp_path):
    (tmp_path / "mine.py").write_text(
        textwrap.dedent(
            """
            from affectjax import configlib
            from configs import tam_pretrain
            def get_config(arg=""):
                base = {**tam_pretrain.BASE, "train": {"epoch": 3}}
                return configlib.build(base, {}, arg)
            """
        )
    )
    with pytest.raises(UserError, match="Did you mean 'epochs'"):
        configlib.parse(["main", f"--config={tmp_path / 'mine.py'}"], flags.FlagValues())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_variant_of_every_config_builds(path):
    module = importlib.import_module(f"configs.{path.stem}")
    assert "small" in module.VARIANTS
    for name in module.VARIANTS:
        assert name in module.__doc__
        config = module.get_config(name)
        assert configlib.flatten(config) == configlib.flatten(module.get_config(f"{name},{name}"))


def test_plain_and_flat_views_agree():
    config, _ = parse()
    plain = configlib.to_plain(config)
    for key, value in configlib.flatten(config).items():
        node = plain
        for part in key.split("."):
            node = node[part]
        assert node == value
