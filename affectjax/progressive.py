"""Residual-based progressive training: a recipe whose stages add one modality after the other.

    stages/tune-<m>     layers between a fixed network's rows and the LSTMs, where model.tuned names
                        any: under the mean of a clip's rows; in all that follows they stay
    stages/alone-<m>    each modality's LSTMs and two dense layers; the validation score orders them
    stages/add-<i>-<m>  the i-th best joins the sum: its LSTMs alone learn, under fresh dense
                        layers, on top of what the ones before have learned, which stays as it is
    whole               all LSTMs go on, at a lower rate, under fresh dense layers
    across clips        where model.clips is above 1: the LSTMs along the film learn, no others

The last stage stands in the seed's own folder, the others under its `stages`, `whole` too where it
is not the last. The first modality's turn is its training alone: it would be the same once more. A
stage is a run like any other, so a recipe goes on in the middle of any; what comes next follows
from the stages that are finished. The model's parameters are named tune/<m>/..., intra/<m>/...,
head/embed, head/out, and along the film anything else.
"""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

from ml_collections import config_dict

from affectjax.errors import UserError
from affectjax.run import Run, averages, own_seeds

HEAD, TUNED = "^head/", "^tune/"


@dataclasses.dataclass(frozen=True)
class Stage:
    """Which modalities are summed, what of the model learns and how fast, and where it starts."""

    name: str
    modalities: tuple[str, ...]
    start: tuple[str, ...] = ()  # the stages whose exports it begins with
    frozen: tuple[str, ...] = ()  # modalities, or "embed" or "tuned", that stay as they are
    new: tuple[str, ...] = ()  # path patterns of parameters that start afresh
    drop: tuple[str, ...] = ()  # path patterns of the export's parameters that are left out
    rate: float = 1.0  # of the LSTMs within clips, times the config's learning rate
    across: bool = False  # along the film
    mean: bool = False  # of a clip's rows, where the LSTMs would be

    @property
    def rules(self) -> tuple[tuple[str, float], ...]:
        """Learning-rate multipliers by path: 0 for what stays."""
        paths = {"embed": HEAD, "tuned": TUNED}
        still = tuple((paths.get(m, f"^intra/{m}/"), 0.0) for m in self.frozen)
        return (*still, ("^intra/", self.rate)) if self.rate != 1 else still


class progressive:
    """The stages of `times` seeds from `first` on, each seed in a folder of its own.

    `order` names the modalities from the first to the last; empty: by checkpoint.best of each
    alone on the validation part. `finetune` is what the LSTMs' rate in `whole` is multiplied by.
    `at_once`: after the layers that are tuned everything else learns together, in one stage.
    """

    def __init__(
        self,
        times: int = 1,
        first: int = 0,
        order: tuple = (),
        finetune: float = 0.1,
        at_once: bool = False,
    ):
        self.times, self.first, self.order = times, first, order
        self.finetune, self.at_once = finetune, at_once

    def next_run(self, config: config_dict.ConfigDict, finished: dict[str, dict]) -> Run | None:
        """The next stage of the first seed that is not finished."""
        own_seeds(config, self.first)
        names = sorted(config.model.modalities)
        if not names:
            raise UserError("there is no modality to train", "model.modalities", "Name one.")
        if self.order and sorted(self.order) != names:
            raise UserError(
                f"recipe.order is {', '.join(self.order)}, the modalities are {', '.join(names)}",
                "recipe.order",
                "Name each of them once.",
            )
        ordered = not self.at_once and len(names) > 1
        if ordered and not self.order and not config.checkpoint.best:
            raise UserError(
                "the modalities are ordered by their validation score, and there is none",
                "checkpoint.best",
                "Set it, or recipe.order.",
            )
        for number in range(self.first, self.first + self.times):
            own = f"seed-{number}"
            if own in finished:
                continue
            for stage in self._stages(config, own, finished):
                name = f"{own}/stages/{stage.name}" if stage.name else own
                if name not in finished:
                    start = config.train.init_from
                    if stage.start:
                        made = [finished[f"{own}/stages/{s}"]["export"] for s in stage.start]
                        start = tuple(made) if len(made) > 1 else made[0]
                    return Run(name, settings(config, stage, number), start)
        return None

    def _stages(self, config, own: str, finished) -> Iterator[Stage]:
        """All of one seed, those that are finished too."""
        names, across = sorted(config.model.modalities), config.model.clips > 1
        tuned = tuple(m for m in names if config.model.tuned.get(m))
        for m in tuned:
            yield Stage(f"tune-{m}", (m,), mean=True)
        if self.at_once:
            yield together(names, across, tuned)
        else:
            yield from stages(
                names, across, self._ordered(config, own, finished), self.finetune, tuned
            )

    def _ordered(self, config, own: str, finished) -> Callable[[], Sequence[str]]:
        """The order, asked for once every modality has been trained alone."""

        def order() -> Sequence[str]:
            score = {
                m: validation(finished[f"{own}/stages/alone-{m}"], config.checkpoint.best)
                for m in sorted(config.model.modalities)
            }
            if unknown := [m for m in score if math.isnan(score[m])]:
                raise UserError(
                    f"{config.checkpoint.best} of {', '.join(unknown)} alone is not known, and the "
                    "modalities are ordered by it",
                    f"{own}/stages/alone-{unknown[0]}",
                    "Have it scored in every stage, by train.evaluate_every and data.validation, "
                    "or say recipe.order; in another --workdir.",
                )
            sign = 1 if config.checkpoint.mode == "min" else -1
            return sorted(score, key=lambda m: sign * score[m])

        return (lambda: self.order) if self.order else order

    def summary(self, finished: dict[str, dict]) -> dict:
        """Mean and deviation over the seeds of what their last stages reached."""
        return averages(result for name, result in finished.items() if "/" not in name)


def stages(
    names: Sequence[str],
    across: bool,
    order: Callable[[], Sequence[str]],
    finetune: float,
    tuned: Sequence[str] = (),
) -> Iterator[Stage]:
    """What follows tuning, one after the other; `order` is called when those alone have been."""

    def still(modalities: Sequence[str]) -> tuple[str, ...]:
        return ("tuned",) if set(modalities) & set(tuned) else ()

    for m in names:
        if m in tuned:
            yield Stage(f"alone-{m}", (m,), (f"tune-{m}",), still([m]), (HEAD, f"^intra/{m}/"))
        else:
            yield Stage(f"alone-{m}", (m,))
    ordered = tuple(order()) if len(names) > 1 else tuple(names)
    last = f"alone-{ordered[0]}"
    for i in range(1, len(ordered)):
        known, newest = ordered[:i], ordered[i]
        fresh = (HEAD, f"^intra/{newest}/", f"^statistics/standardise_{newest}/")
        start = (last, f"tune-{newest}") if newest in tuned else (last,)
        frozen = (*known, *still(ordered[: i + 1]))
        last = f"add-{i + 1}-{newest}"
        yield Stage(last, ordered[: i + 1], start, frozen, fresh)
    end = still(ordered)
    yield Stage("whole" if across else "", ordered, (last,), end, (HEAD,), rate=finetune)
    if across:
        yield Stage(
            "", ordered, ("whole",), (*ordered, "embed", *end), ("^inter/", "^inter_head/"),
            ("^head/out/",), across=True,
        )  # fmt: skip


def together(names: Sequence[str], across: bool, tuned: Sequence[str]) -> Stage:
    """The one stage in which all learns but what is tuned; it is the last."""
    if not tuned:
        return Stage("", tuple(names), across=across)
    along = ("^inter/", "^inter_head/") if across else ()
    fresh = (HEAD, "^intra/", *along, "^statistics/")
    start = tuple(f"tune-{m}" for m in tuned)
    return Stage("", tuple(names), start, ("tuned",), fresh, (HEAD,), across=across)


def settings(config: config_dict.ConfigDict, stage: Stage, seed: int) -> config_dict.ConfigDict:
    """The config of one stage: what the stage says, laid over the config of the whole."""
    own = copy.deepcopy(config)
    with own.unlocked():
        for section in (own.model.modalities, own.model.tuned):
            for m in set(section) - set(stage.modalities):
                del section[m]
    own.train.seed = seed
    if stage.start:  # otherwise what the config says of its own start
        own.train.init_new, own.train.init_drop = stage.new, stage.drop
    own.model.frozen = stage.frozen
    own.model.within = "mean" if stage.mean else "lstm"
    own.optim.rules = (*stage.rules, *config.optim.rules)
    if not stage.across:
        own.model.clips = 1
    if stage.name:  # the moving average belongs to what is predicted in the end
        own.model.beta = 0.0
    return own


def validation(result: dict, metric: str) -> float:
    """A finished run's score on the validation part at the step that it exported; NaN: unknown."""
    score = result["validation"].get(metric)
    return math.nan if score is None else score
