"""Numbers that no run can mean are refused before anything is touched."""

import importlib

import pytest

from affectjax import bounds, configlib
from affectjax.errors import UserError
from configs import tam_pretrain

CONFIGS = {
    name: importlib.import_module(f"configs.{name}")
    for name in (
        "tam_pretrain",
        "tam_finetune",
        "vaanet",
        "cten",
        "lstc",
        "danmaku",
        "danmaku_comments",
    )
}


@pytest.mark.parametrize("name", CONFIGS)
def test_every_variant_is_within_the_bounds(name):
    checked = [bounds.check(CONFIGS[name].get_config(v)) for v in ("", *CONFIGS[name].VARIANTS)]
    assert checked == [None] * len(checked)  # and raised nowhere


def test_every_bound_is_of_a_key_that_exists():
    keys = [configlib.flatten(config.get_config("")) for config in CONFIGS.values()]
    assert set(bounds.BOUNDS) <= set().union(*keys)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.batch", 0), ("train.steps", -1), ("train.log_every", 0), ("train.ema", 1.0),
        ("model.dropout", 1.0), ("model.heads", 0), ("optim.learning_rate", float("nan")),
        ("examples.comment_lag", float("nan")), ("train.epochs", float("inf")),
        ("loss.word", -1.0), ("optim.rules", ("fusion", 0.0)),
        ("optim.rules", (("^head/", "0"),)), ("optim.rules", (("^head/", None),)),
    ],
)  # fmt: skip
def test_a_number_out_of_bounds_names_its_key(key, value):
    config = tam_pretrain.get_config("small")
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UserError, match=key.split(".")[1]):
        bounds.check(config)


def test_a_run_of_no_length_and_tasks_without_weight_are_refused():
    for changes in ({"train.epochs": 0.0}, {"loss.word": 0.0, "loss.time": 0.0}):
        config = tam_pretrain.get_config("small")
        config.update_from_flattened_dict(changes)
        with pytest.raises(UserError):
            bounds.check(config)
