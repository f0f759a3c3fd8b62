"""What a run is made of, put together and checked once, before its first step."""

import contextlib
import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh
from ml_collections import config_dict

from affectjax import (
    assemble,
    checkpoint,
    configlib,
    export,
    hosts,
    initialise,
    metrics,
    optim,
    sharding,
    state,
    update,
)
from affectjax.data import load, moments, records, vocabulary
from affectjax.errors import UserError
from affectjax.settings import Settings


@dataclasses.dataclass(frozen=True)
class Parts:
    """What stays as it is while a run trains."""

    config: config_dict.ConfigDict
    settings: Settings
    mesh: Mesh
    workdir: pathlib.Path
    data: load.Data
    words: vocabulary.Vocabulary | None
    examples: Any
    model: Any
    steps: int
    steps_per_epoch: float
    start: str | None  # digest of what it starts from; None: gone, and the checkpoints hold it all

    @property
    def train(self) -> Any:
        """The part that is trained on."""
        return self.data.parts["train"]


class Start(NamedTuple):
    """What moves, and how."""

    optimizer: optax.GradientTransformationExtraArgs
    schedule: Callable[[Any], jax.Array]
    state: dict[str, Any]
    like: dict[str, Any]  # its shapes and shardings


def prepare(
    config: config_dict.ConfigDict,
    workdir: pathlib.Path,
    init_from: str | tuple[str, ...] | None = None,
    going_on: bool = False,
) -> tuple[Parts, Start]:
    """The run in `workdir` before its first step; `going_on`: with the vocabulary that is there."""
    settings = Settings(**configlib.arguments(config.train))
    mesh = sharding.make_mesh(**configlib.arguments(config.mesh))
    data = assemble.data(config)
    hosts.agree(data.dataset.digest, "the dataset", "Give every process the same files.")
    hosts.say(f"data: {data.describe()}")
    begun = bool(checkpoint.steps(workdir / "checkpoints"))
    start_from, start = _beginning(init_from, settings.init_from_weights, begun)
    hosts.agree(str(start), "what the run starts from", "Give every process the same files.")
    words = _vocabulary(config, workdir, data, start_from, going_on or start is None)
    count = len(data.parts["train"])
    parts = Parts(
        config,
        settings,
        mesh,
        workdir,
        data,
        words,
        assemble.examples(config, words),
        assemble.model(config, words),
        steps=settings.steps or math.ceil(settings.epochs * count / settings.batch),
        steps_per_epoch=count / settings.batch,
        start=start,
    )
    _check(config, settings, mesh, data)
    return parts, _start(parts, start_from)


def check_finished(
    result: Mapping[str, Any],
    config: config_dict.ConfigDict,
    init_from: str | tuple[str, ...] | None,
    place: pathlib.Path,
) -> None:
    """Raises where a finished run had other data, or another beginning, than are named now.

    What is not there any more is not asked for.
    """
    now = {}
    with contextlib.suppress(UserError):
        now["start"] = initialise.digest(init_from, config.train.init_from_weights)
    if config.data.dir:
        with contextlib.suppress(UserError):
            now["data"] = records.open_dataset(config.data.dir).digest
    what = {"start": "started from other weights", "data": "was trained on another dataset"}
    for key, digest in now.items():
        if result.get(key) not in (None, digest):
            raise UserError(
                f"the finished run {what[key]} than those that are named", str(place),
                "Say another --workdir, or remove this one.",
            )  # fmt: skip


def check_start(start: str | None, told: str | None, workdir: pathlib.Path) -> None:
    """Raises where the checkpoints began with other weights than those that are named."""
    if None not in (start, told) and start != told:
        raise UserError(
            "the checkpoints in the workdir began from other weights than those that are named",
            str(workdir),
            "Name what they began from, or say another --workdir.",
        )


def check_dataset(data: load.Data, digest: str) -> None:
    """Raises where the dataset is not the one of this digest."""
    if digest != data.dataset.digest:
        raise UserError(
            "the dataset is not the one that the checkpoints in the workdir were trained on",
            str(data.dataset.folder),
            "Give the same dataset, or another --workdir.",
        )


def check_words(
    words: vocabulary.Vocabulary | None, digest: str | None, workdir: pathlib.Path
) -> None:
    """Raises where the vocabulary is not the one of this digest."""
    if digest != (words.digest if words else None):
        raise UserError(
            "the vocabulary is not the one that the checkpoints were trained with",
            str(workdir / "vocabulary.txt"),
            "Bring that file back, or say another --workdir.",
        )


def _beginning(
    init_from: str | tuple[str, ...] | None, networks: Sequence[tuple[str, str]], begun: bool
) -> tuple[export.Export | None, str | None]:
    """What a run starts from, and its digest; neither where it is gone and no longer needed."""
    try:
        digest = initialise.digest(init_from, networks)
        return (initialise.load(init_from) if init_from else None), digest
    except UserError:
        if not begun:
            raise
        return None, None


def _vocabulary(
    config: config_dict.ConfigDict,
    workdir: pathlib.Path,
    data: load.Data,
    start_from: export.Export | None,
    going_on: bool,
) -> vocabulary.Vocabulary | None:
    """Of the export that the run starts from, else of the dataset; its checkpoints must have it."""
    path = workdir / "vocabulary.txt"
    words = assemble.vocabulary(config, data)
    if words is None:
        return None
    if start_from and start_from.vocabulary:
        words = start_from.vocabulary
    begun = path.exists() and bool(checkpoint.steps(workdir / "checkpoints"))
    if begun:
        stored = vocabulary.Vocabulary.load(path)
        if going_on:  # whatever it started from
            words = stored
        if stored.digest != words.digest:
            raise UserError(
                "the dataset's vocabulary does not fit the checkpoints in the workdir",
                str(path),
                "Use the dataset they were trained on, or another --workdir.",
            )
    hosts.barrier("vocabulary read")
    if hosts.is_first() and not begun:
        words.save(path)
    rate = words.oov_rate(data.dataset.words())
    hosts.say(f"vocabulary: {len(words)} entries, {rate:.2%} of the words are outside it")
    return words


def _check(config: config_dict.ConfigDict, s: Settings, mesh: Mesh, data: load.Data) -> None:
    """What would otherwise fail deep inside jit."""
    shards = mesh.size // mesh.shape["tensor"]
    if not len(data.parts["train"]):
        raise UserError("the training part holds no clip", str(data.dataset.folder))
    if s.batch % (shards * s.micro_batches):
        raise UserError(
            f"a batch of {s.batch} cannot be split over {shards} devices and "
            f"{s.micro_batches} micro-batches",
            mend=f"Make train.batch a multiple of {shards * s.micro_batches}.",
        )
    best = config.checkpoint.best
    if best and metrics.is_error(best) and config.checkpoint.mode == "max":
        raise UserError(
            f"{best} is better the smaller it is, and checkpoint.mode is max",
            "checkpoint.best",
            "Say --config.checkpoint.mode=min.",
        )
    if (best or s.patience) and not ("validation" in data.parts and s.evaluate_every):
        raise UserError(
            "checkpoint.best and train.patience need a validation part and a time to score it",
            mend="Set data.validation and train.evaluate_every.",
        )
    if s.patience and not best:
        raise UserError("train.patience needs a metric", mend="Set checkpoint.best.")


def _start(made: Parts, start_from: export.Export | None) -> Start:
    """The optimiser and the first state, on its devices."""
    s = made.settings
    shapes = {
        key: jax.ShapeDtypeStruct((1, *shape), dtype)
        for key, (shape, dtype) in made.examples.spec().items()
    }
    # jitted, so that the model is traced once for all who ask below
    fresh = jax.jit(lambda key: initialise.variables(made.model, shapes, key))
    variables = jax.eval_shape(fresh, jax.random.key(s.seed))
    optimizer, schedule = optim.build(
        **configlib.arguments(made.config.optim),
        params=variables["params"],
        total_steps=made.steps,
        steps_per_epoch=made.steps_per_epoch,
    )
    tasks = initialise.task_names(made.model, variables, shapes)
    unknown = set(made.config.loss) - set(tasks)
    if unknown:
        raise UserError(
            f"unknown config key 'loss.{unknown.pop()}'", mend=f"Tasks are {', '.join(tasks)}."
        )
    like = state.abstract(
        fresh,
        optimizer,
        made.mesh,
        ema=bool(s.ema),
        window=update.window(tasks),
    )
    first = state.create(
        fresh,
        optimizer,
        jax.random.key(s.seed),
        made.mesh,
        ema=bool(s.ema),
        window=update.window(tasks),
    )
    statistics = made.data.dataset.metadata["statistics"]
    if not set(made.config.model.modalities) <= set(statistics):  # of a partition, then
        statistics = statistics | moments.of_source(made.train)
    if hasattr(made.examples, "statistics"):  # of targets, over the clips trained on
        statistics = statistics | made.examples.statistics(made.train)
    first["model_state"] = initialise.from_statistics(first["model_state"], statistics)
    if start_from:
        first |= initialise.from_export(first, start_from, s.init_new, s.init_drop)
    hosts.say(sharding.table(first["params"], made.mesh))
    return Start(optimizer, schedule, first, like)
