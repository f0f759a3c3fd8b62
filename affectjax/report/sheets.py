"""The report's numbers as CSV: curves, scores, runs, confusions, settings; one row a number."""

from collections.abc import Sequence

from affectjax.report import overview
from affectjax.report.history import Experiment
from affectjax.report.overview import Scores
from affectjax.report.write import as_csv


def all_of(experiments: Sequence[Experiment], found: dict[int, Scores]) -> dict[str, str]:
    """{file name: text}; `found` holds each experiment's scores by its number."""
    return {
        "curves.csv": curves(experiments),
        "scores.csv": scores(experiments, found),
        "runs.csv": runs(experiments),
        "confusion.csv": confusion(experiments),
        "settings.csv": settings(experiments),
    }


def curves(experiments: Sequence[Experiment]) -> str:
    """Every number of every log."""
    rows = [
        [*_who(each), training.name, part, metric, step, value]
        for each in experiments
        for training in each.trainings
        for part, metrics in training.curves.items()
        for metric, curve in metrics.items()
        for step, value in zip(curve[0].tolist(), curve[1].tolist())
    ]
    return as_csv("experiment,name,run,part,metric,step,value".split(","), rows)


def scores(experiments: Sequence[Experiment], found: dict[int, Scores]) -> str:
    """Every metric of the test part, its mean over runs and its interval."""
    rows = [
        [*_who(each), metric, *cell.interval, cell.spread, cell.runs, cell.undefined]
        for each in experiments
        for metric, cell in found[each.number].items()
    ]
    return as_csv("experiment,name,metric,mean,low,high,over,runs,undefined".split(","), rows)


def runs(experiments: Sequence[Experiment]) -> str:
    """Every metric of every finished run."""
    rows = [
        [*_who(each), run, metric, value]
        for each in experiments
        for (_, run), found in each.runs.items()
        for metric, value in found.metrics.items()
    ]
    return as_csv("experiment,name,run,metric,value".split(","), rows)


def confusion(experiments: Sequence[Experiment]) -> str:
    """Every pair of classes, counted over all runs."""
    rows = []
    for each in experiments:
        if counted := overview.confusions(each):
            names, counts = counted
            rows += [
                [*_who(each), label, chosen, int(counts[i, j])]
                for i, label in enumerate(names)
                for j, chosen in enumerate(names)
            ]
    return as_csv("experiment,name,label,chosen,count".split(","), rows)


def settings(experiments: Sequence[Experiment]) -> str:
    """Every key of every config."""
    rows = [
        [*_who(each), key, str(each.config[key])] for each in experiments for key in each.config
    ]
    return as_csv("experiment,name,setting,value".split(","), rows)


def _who(each: Experiment) -> list:
    return [each.number, each.name]
