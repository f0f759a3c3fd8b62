"""The pictures of a paper that finished runs allow, as PNG files.

Timelines, the sweep of the threshold, and predictions along films need the runs alone; frames under
attention, deletion and insertion curves, and where a model of films puts its clips need the dataset
too. What runs do not have is left out without a word, for the tables say which runs there are.
"""

import dataclasses
import itertools
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from affectjax import detection
from affectjax.report import film_pictures, looking, pictures, segments
from affectjax.report.fill import Section
from affectjax.report.runs import Run, Workdir

Figures = Iterable[tuple[str, object]]  # (name, matplotlib's figure)

VIDEOS = 3  # that have pictures of their own
MODELS = 6  # in one picture, at most
LONGEST = 200  # bytes of a picture's name; file systems take 255
THETA = re.compile(r"theta (\d+\.\d+)")


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """One experiment, by its first finished run that says where it looked."""

    name: str
    run: Run
    found: segments.Segments

    @property
    def threshold(self) -> float:
        """From which its curve makes an interval."""
        return self.run.export["config"]["model"]["curve_threshold"]


def write(
    out: pathlib.Path,
    sections: Sequence[Section],
    workdirs: Sequence[Workdir],
    datasets: Mapping[str, str],
) -> list[str]:
    """Every picture into a folder; gives the files. `datasets` are folders by their digest."""
    names: list[str] = []
    for name, figure in _all(sections, workdirs, datasets):
        names.append(_file(name, names))
        pictures.save(figure, out / names[-1])
    return names


def _file(name: str, taken: Sequence[str]) -> str:
    """A picture's name as that of a file, which none of those taken is."""
    plain = re.sub(r"[^\w.]+", "_", name).strip("_")
    plain = plain.encode()[:LONGEST].decode(errors="ignore")
    lower = {each.lower() for each in taken}  # not every disk tells A from a
    numbered = (plain + (f"-{n}" if n > 1 else "") + ".png" for n in itertools.count(1))
    return next(each for each in numbered if each.lower() not in lower)


def _all(sections, workdirs, datasets) -> Figures:
    if found := sweep(sections):
        yield "theta", pictures.sweep(*found, "threshold of erasing", "accuracy (%)")
    by_digest: dict[str, list[Shown]] = {}
    for digest, one in experiments(workdirs):
        by_digest.setdefault(digest, []).append(one)
    for digest, models in by_digest.items():
        models, prefix = models[:MODELS], f"{digest[:6]} " if len(by_digest) > 1 else ""
        every = [timelines(models)]
        if digest in datasets:
            chosen = [(one.name, one.run) for one in models]
            every.append(looking.figures(chosen, datasets[digest], VIDEOS))
        for name, figure in itertools.chain(*every):
            yield prefix + name, figure
    follow = followed(workdirs)
    for (digest, value), runs in follow.items():
        prefix = f"{digest[:6]} " if len({digest for digest, _ in follow}) > 1 else ""
        some = dict(itertools.islice(runs.items(), MODELS))
        every = [film_pictures.figures({n: run.folder for n, run in some.items()}, value)]
        if digest in datasets:
            every.append(looking.planes(next(iter(some.values())), datasets[digest], value))
        for name, figure in itertools.chain(*every):
            yield prefix + name, figure


def experiments(workdirs: Sequence[Workdir]) -> Iterator[tuple[str, Shown]]:
    """(digest of the dataset, experiment); of equal names all but the first carry their folder."""
    taken: set[str] = set()
    for workdir in workdirs:
        read = (
            (r, segments.read(r.folder / "predictions_test.csv")) for r in workdir.runs.values()
        )
        run, found = next(((r, f) for r, f in read if f is not None), (None, None))
        if found is None:
            continue
        yield workdir.dataset[1], Shown(_called(workdir, taken), run, found)


def _called(workdir: Workdir, taken: set[str]) -> str:
    """A name that none of those taken is; it is taken then."""
    words = ",".join(sorted(workdir.variants - {"small", "detection"}))
    name = workdir.config + (f" {words}" if words else "")
    name = f"{name} {workdir.folder.name}" if name in taken else name
    taken.add(name)
    return name


def followed(workdirs: Sequence[Workdir]) -> dict[tuple[str, str], dict[str, Run]]:
    """{(digest of the dataset, value): {name: run}} of experiments that predict along films."""
    found: dict[tuple[str, str], dict[str, Run]] = {}
    taken: set[str] = set()
    for workdir in workdirs:
        run = next(iter(workdir.runs.values()), None)
        model = run.export.get("config", {}).get("model", {}) if run else {}
        if model.get("name") != "lstc" or model.get("task") != "values":
            continue
        if (run.folder / "predictions_test.csv").is_file():
            name = _called(workdir, taken)
            for value in model["outputs"]:
                found.setdefault((workdir.dataset[1], value), {})[name] = run
    return found


def sweep(sections: Sequence[Section]):
    """(thresholds, {dataset: (mean, low, high) or None of each}), or None: fewer than two ran."""
    measured: dict[str, dict[float, tuple]] = {}
    for section in sections:
        for line in section.lines:
            if (found := THETA.fullmatch(line.name)) and line.ours:
                own = measured.setdefault(section.column.data, {})
                own[float(found[1])] = tuple(line.ours.interval)
    values = sorted({value for own in measured.values() for value in own})
    each = {data: [own.get(value) for value in values] for data, own in measured.items()}
    return (values, each) if len(values) > 1 else None


def timelines(models: Sequence[Shown]) -> Figures:
    """The first videos that all of them saw and that have annotated intervals."""
    models = [one for one in models if one.found.truth is not None]
    if not models:
        return
    rows = [{name: row for row, name in enumerate(one.found.ids)} for one in models]
    first = models[0].found
    both = (name for name in first.ids if all(name in own for own in rows))
    told = (name for name in both if first.truths(rows[0][name]))
    for video in itertools.islice(told, VIDEOS):
        predicted: dict[str, list[detection.Interval]] = {}
        curves = {}
        for one, own in zip(models, rows):
            predicted[one.name] = one.found.intervals(own[video], one.threshold)
            curves[one.name] = one.found.curve[own[video]]
        row, limits = rows[0][video], {one.threshold for one in models}
        yield f"timeline {video}", pictures.timeline(
            predicted, first.truths(row), float(first.duration[row]), first.names, curves,
            limits.pop() if len(limits) == 1 else None, video,
        )  # fmt: skip
