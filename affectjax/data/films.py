"""Films in clips of equal length: one clip, or a run of consecutive clips, as one example.

A record is a film. `into_clips` shows a source of films as a source of clips; an example is the run
of `clips` clips that begins with the record's clip in training (so every run counts alike), and in
testing one of the runs that cover the film. A clip's target is the mean of its labelled seconds,
unknown where fewer than `least` of them are labelled. A second is a segment: one feature row.
"""

import copy
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from affectjax import films
from affectjax.data import alignment
from affectjax.errors import UserError

KEPT = 64  # films that a source holds in memory, which is what their clips are cut from


def reads_films(examples: Any) -> bool:
    """Whether a rule takes a whole film, which it cuts into clips by itself."""
    return hasattr(examples, "into_clips")


class FilmExamples:
    """Record of a clip (see `FilmClips`) -> example with the values of its run. Picklable."""

    def __init__(
        self,
        modalities: Mapping[str, int],
        outputs: Sequence[str],
        segments: int,
        clips: int,
        values: Sequence[str] = ("valence", "arousal"),
        segment_seconds: float = 1.0,
        least: float = 0.5,
        hide: Iterable[str] = (),
    ):
        unknown = [name for name in outputs if name not in values]
        if unknown:
            raise UserError(
                f"there is no value '{unknown[0]}' among examples.values",
                "examples",
                f"examples.values names {', '.join(values) or 'none'}.",
            )
        alignment.check_hidden(hide, modalities)
        self.modalities = dict(modalities)
        self.outputs = tuple(outputs)
        self.segments = segments
        self.clips = clips
        self.values = tuple(values)
        self.segment_seconds = segment_seconds
        self.least = least
        self.hide = tuple(hide)

    def check(self, spec: Any, where: str) -> None:
        """The dataset has the values that the model is to predict."""
        if tuple(spec.value_names) != self.values:
            have = ", ".join(spec.value_names) or "none"
            raise UserError(
                f"examples.values is {', '.join(self.values) or 'empty'}, the dataset has {have}",
                where,
                f'Say "--config.examples.values={tuple(spec.value_names)}", or take a dataset '
                "with such values.",
            )

    def into_clips(self, source, train: bool = False) -> "FilmClips":
        """The films of a source as clips; with `train` those alone that begin a whole run."""
        last = self.clips - 1 if train else 0
        return FilmClips(source, self.segments, self.segment_seconds, last)

    def single(self) -> "FilmExamples":
        """The same rule for clips by themselves."""
        one = copy.copy(self)
        one.clips = 1
        return one

    def spec(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape without B, and dtype, of every array of an example; N clips, T segments."""
        n, t, k = self.clips, self.segments, len(self.outputs)
        shapes: dict[str, tuple] = {}
        for m, width in self.modalities.items():
            shapes[f"features/{m}"] = ((n, t, width), np.float16)
            shapes[f"present/{m}"] = ((n, t), np.bool_)
        shapes |= {
            "values": ((n, k), np.float32),  # of the clip
            "truth": ((n, t, k), np.float32),  # of its segments
            "clip": ((n,), np.int32),  # its number, -1 where the film is over
            "length": ((n,), np.int32),  # its segments
            "new": ((n,), np.bool_),  # no run before has had it
            "weight": ((), np.float32),
        }
        return {key: (shape, np.dtype(dtype)) for key, (shape, dtype) in shapes.items()}

    def empty(self) -> dict[str, np.ndarray]:
        """An example that counts for nothing: padding, or the place of a bad record."""
        example = {key: np.zeros(shape, dtype) for key, (shape, dtype) in self.spec().items()}
        example["values"][...] = example["truth"][...] = np.nan
        example["clip"][...] = -1
        return example

    def train(self, record: Mapping, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The run that begins with the record's clip."""
        return self.window(record["film"], record["clip"], record["clip"])

    def parts(self, record: Mapping) -> int:
        """1 for the clips that no run before theirs gives, 0 for the others; of a whole film's
        record the number of runs that cover it."""
        if "film" not in record:
            return -(-self._count(record) // self.clips)
        return int(record["clip"] % self.clips == 0)

    def evaluate(self, record: Mapping, part: int) -> dict[str, np.ndarray]:
        """The run that gives the record's clip first, shifted back where the film ends; of a whole
        film's record the run of that number."""
        film = record.get("film", record)
        new = record["clip"] if "film" in record else part * self.clips
        return self.window(film, min(new, max(0, self._count(film) - self.clips)), new)

    def window(self, film: Mapping, first: int, new: int) -> dict[str, np.ndarray]:
        """The run of a whole film's record that begins with clip `first`; new from `new` on."""
        example = self.empty()
        example["weight"][...] = 1
        total = alignment.segment_count(film["duration"], self.segment_seconds)
        truth = self._seconds(film, first, total)
        for place in range(min(self.clips, self._count(film) - first)):
            start = (first + place) * self.segments
            count = min(self.segments, total - start)
            own = {key: array[place] for key, array in example.items() if array.ndim > 1}
            # By the clip's own rows, so that a clip alone gives what it gives within its film.
            ends = (start * self.segment_seconds, (start + self.segments) * self.segment_seconds)
            clip = {**film, "features": rows_between(film, *ends)}
            alignment.fill(clip, self.modalities, 0, count, self.segment_seconds, self.hide, own)
            own["truth"][:count] = truth[place * self.segments :][:count]
            for k, column in enumerate(own["truth"][:count].T):
                known = column[np.isfinite(column)]
                if len(known) and len(known) >= self.least * count:
                    own["values"][k] = known.mean()
            example["clip"][place] = first + place
            example["length"][place] = count
            example["new"][place] = first + place >= new
        return example

    def _count(self, film: Mapping) -> int:
        return clip_count(film["duration"], self.segments, self.segment_seconds)

    def _seconds(self, film: Mapping, first: int, total: int) -> np.ndarray:
        """[N T, K], the mean of what was annotated within each segment from clip `first` on."""
        begin = first * self.segments
        end = min(total, begin + self.clips * self.segments)
        found = np.full((self.clips * self.segments, len(self.outputs)), np.nan)
        rows = np.asarray(film.get("values", ()), np.float64).reshape(-1, len(self.values))
        segment = np.floor(np.asarray(film.get("values_time", ())) / self.segment_seconds)
        for k, name in enumerate(self.outputs):
            column = rows[:, self.values.index(name)]
            use = np.isfinite(column) & (segment >= begin) & (segment < end)
            place = segment[use].astype(np.int64) - begin
            count = np.bincount(place, minlength=len(found))
            total_of = np.bincount(place, column[use], minlength=len(found))
            found[count > 0, k] = total_of[count > 0] / count[count > 0]
        return found


class FilmClips:
    """A source of films as one of clips. Films stay in memory, up to KEPT; picklable without them.

    A record is that of a clip (id, group, start, duration, its rows of features and values) with
    its number `clip` and the whole `film`, from which examples take what lies around it. `last`:
    so many clips at a film's end are left out, but never its first.
    """

    def __init__(self, source, segments: int, segment_seconds: float, last: int = 0):
        self.source, self.seconds = source, segments * segment_seconds
        table = [
            (film, clip)
            for film, duration in enumerate(source.durations)
            for clip in range(max(1, clip_count(duration, segments, segment_seconds) - last))
        ]
        self.films, self.clips = np.array(table, np.int64).reshape(-1, 2).T
        self.ids = [films.clip_id(source.ids[film], clip) for film, clip in table]
        self.groups = [source.groups[film] for film, _ in table]
        self.labels = None
        self._share()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> dict[str, Any]:
        film, clip = self._film(int(self.films[i])), int(self.clips[i])
        start = clip * self.seconds
        end = min(start + self.seconds, max(film["duration"], start))
        found = {
            "id": self.ids[i], "group": self.groups[i], "start": film["start"] + start,
            "duration": end - start, "features": rows_between(film, start, end),
            "rate": film["rate"], "film": film, "clip": clip,
        }  # fmt: skip
        if "values" in film:
            own = (film["values_time"] >= start) & (film["values_time"] < end)
            found["values"] = film["values"][own]
            found["values_time"] = film["values_time"][own] - np.float32(start)
        return found

    def _share(self) -> None:
        self._film = functools.lru_cache(KEPT)(self.source.__getitem__)

    def __getstate__(self) -> dict:
        return {key: value for key, value in vars(self).items() if key != "_film"}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._share()


def rows_between(film: Mapping, start: float, end: float) -> dict[str, np.ndarray]:
    """{modality: [rows, D]} whose centres lie in these seconds."""
    found = {}
    for name, rows in film["features"].items():
        first, stop = (max(0, int(np.ceil(at * film["rate"][name] - 0.5))) for at in (start, end))
        found[name] = rows[first:stop]
    return found


def clip_count(duration: float, segments: int, seconds: float) -> int:
    """Clips of `segments` segments of a film; the last one may be short."""
    return max(1, -(-alignment.segment_count(duration, seconds) // segments))


Examples = FilmExamples  # what `examples.name = "films"` in a config stands for
