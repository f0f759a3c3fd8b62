"""One video under way: chunks of features come in, rows of windows go out, a timeline results."""

import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.data import films, sources
from affectjax.media import pictures
from affectjax.media.extract import Chunk
from affectjax.media.extractor import Extractor
from affectjax.media.facts import Facts
from affectjax.media.features import Features, constant, is_entry
from affectjax.media.files import said
from affectjax.predicting import maps, strip, timeline, windows, words
from affectjax.predicting.timeline import Timeline, Track
from affectjax.predicting.videos import Video


@dataclasses.dataclass(frozen=True)
class Reading:
    """What is the same for all videos of a call."""

    examples: Any  # the rule that turns a record into rows
    model: Any  # what the predictions are of; see `affectjax.predicting.timeline`
    asked: Any  # record -> record, where the examples need what a video has not
    about: Mapping[str, Any]  # of the model, in words
    modalities: Mapping[str, int]  # name -> width, those that the model reads
    extractors: Sequence[Extractor]
    windows: windows.Windows
    threshold: float
    look: Callable | None = None  # see `maps.looker`
    maps: int = 0  # moments of a video to look at so

    @property
    def films(self) -> bool:
        """See `films.reads_films`."""
        return films.reads_films(self.examples)


class Job:
    """`push` chunks, take `rows` once the facts are known, `put` their predictions back."""

    def __init__(self, reading: Reading, video: Video):
        self.reading, self.video = reading, video
        self.features, self.strip = Features(reading.extractors), strip.Kept()
        self.facts: Facts | None = None
        self.whole: dict[str, dict] = {"features": {}, "entries": {}, "rate": {}}
        self.starts: list[float] = []  # of the windows
        self.found: list[list[dict | None]] = []  # predictions of each window, of each of its rows
        self.ids: list[list[str]] = []  # the record that each of them came from
        self.clips = 0  # that a film was cut into
        self.missing = 0

    def push(self, chunk: Chunk) -> float:
        """Keep the chunk; says how many seconds of its modality were seen."""
        if chunk.extractor == len(self.reading.extractors):
            self.strip.push(chunk.first, chunk.rows)
            return (chunk.first + len(chunk.rows)) / strip.RATE
        self.features.push(chunk)
        want = self.reading.extractors[chunk.extractor].wants[chunk.modality]
        return (chunk.first + len(chunk.rows)) / want.rate

    def rows(self, facts: Facts) -> Iterator[tuple[tuple[int, int], dict[str, np.ndarray]]]:
        """((window, row), example) of the whole video."""
        self.facts = facts
        for place, one in enumerate(self.reading.extractors):
            found = self.features.finish(place)
            for m in one.modalities:
                if m not in self.reading.modalities:
                    continue
                self.whole["rate"][m] = one.wants[m].rate
                rows = pictures.parted(found) if m == "frames" else found[m]
                self.whole["entries" if is_entry(one) else "features"][m] = rows
        name, end = self.video.name, facts.duration
        if self.reading.films:
            self.starts = [0.0]
            film = windows.record(name, end, self.whole, 0.0, end)
            clips = self.reading.examples.into_clips(sources.One(film))
            self.clips = len(clips)
            yield from self._rows(0, [clips[place] for place in range(self.clips)])
            return
        self.starts = self.reading.windows.starts(end)
        for window in range(len(self.starts)):
            yield from self._rows(window, [self._record(window)])

    def _record(self, window: int) -> Mapping[str, Any]:
        name, end, start = self.video.name, self.facts.duration, self.starts[window]
        length = self.reading.windows.length(end)
        return self.reading.asked(windows.record(name, end, self.whole, start, start + length))

    def _rows(self, window: int, records: Sequence[Mapping[str, Any]]):
        """All rows are counted before the first is given away."""
        examples = self.reading.examples
        rows = [(r, part) for r in records for part in range(examples.parts(r))]
        self.found.append([None] * len(rows))
        self.ids.append([record["id"] for record, _ in rows])
        self.missing += len(rows)
        for place, (record, part) in enumerate(rows):
            yield (window, place), examples.evaluate(record, part)

    def put(self, window: int, place: int, found: dict[str, np.ndarray]) -> None:
        """The predictions of a row."""
        self.found[window][place] = found
        self.missing -= 1

    @property
    def finished(self) -> bool:
        """Whether the timeline can be made."""
        return bool(self.facts) and len(self.found) == len(self.starts) and not self.missing

    def timeline(self) -> Timeline:
        """What the predictions of all rows say; see `affectjax.predicting.timeline`."""
        kinds, raw = self._joined()
        window, edges, laid = self._laid(raw)
        columns = self.reading.model.columns()
        tracks = tuple(
            words.strongest(Track(kind, tuple(columns[name]), laid[name]))
            for name, kind in kinds.items()
            if kind != "attention"
        )
        attended = [laid[name][:, 0] for name, kind in kinds.items() if kind == "attention"]
        made = Timeline(
            name=self.video.name,
            video=told(
                self.video,
                self.facts,
                self.whole["features"] | self.whole["entries"],
                self.features.odd,
            ),
            model=self.reading.about,
            window=window,
            edges=edges,
            tracks=tracks,
            attention=attended[0] if attended else None,
            segments=(),
            segments_by="",
            strip=self.strip.timed(),
        )
        return self._with_maps(timeline.with_segments(made, self.reading.threshold))

    def _with_maps(self, made: Timeline) -> Timeline:
        """The timeline with Grad-CAM frames, where the model has them and they are asked for."""
        if self.reading.look is None:
            return made
        length = self.reading.windows.length(self.facts.duration)
        found = maps.of(made, self.starts, length, self.reading.examples, self._record,
                        self.reading.look, self.reading.maps)  # fmt: skip
        return dataclasses.replace(made, maps=found)

    def _joined(self) -> tuple[dict[str, str], dict[str, np.ndarray]]:
        """{name: kind} and {name: [W, K], or [W, T, K] of T parts} of what a timeline shows."""
        model, joined = self.reading.model, []
        for rows, ids in zip(self.found, self.ids):
            arrays = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
            if hasattr(model, "combine"):
                arrays, _ = model.combine(arrays, ids)
            joined.append(arrays)
        kinds = timeline.meaning(model, joined[0])
        raw = {name: np.stack([one[name] for one in joined]) for name in kinds}
        for name, rows in raw.items():  # [W, rows, K], or [W, rows, T, K]
            if kinds[name] == "attention":  # a number for each part
                rows = rows[..., None]
            if rows.ndim == 4:  # rows one after another
                rows = rows.reshape(len(rows), -1, rows.shape[-1])
            raw[name] = rows[:, 0] if rows.shape[1] == 1 and not self.reading.films else rows
        return kinds, raw

    def _laid(self, raw: Mapping[str, np.ndarray]):
        """(windows, edges, {name: [n, K]})."""
        end, chosen = self.facts.duration, self.reading.windows
        if self.reading.films:
            (steps,) = {rows.shape[1] for rows in raw.values()}
            window = windows.of_film(self.reading.examples, end, steps, self.clips)
            edges = np.append(np.arange(steps) * window.stride, end)
            return window, edges, {name: rows[0].astype("f4") for name, rows in raw.items()}
        length, part = chosen.length(end), None
        if counts := [rows.shape[1] for rows in raw.values() if rows.ndim == 3]:
            fixed = hasattr(self.reading.examples, "segment_seconds")
            known = windows.part_seconds(self.reading.examples, length) if fixed else None
            part = known or length / max(counts)
        edges = timeline.step_edges(end, chosen, self.starts, part)
        return chosen, edges, timeline.lay(raw, edges, self.starts, length, part)


def told(
    video: Video, facts: Facts, features: Mapping[str, Any], odd: collections.Counter[str]
) -> dict[str, Any]:
    """What is known of the video."""
    notes = list(facts.notes) + [f"{count} {what}" for what, count in sorted(odd.items())]
    absent = [m for m, rows in features.items() if not len(rows)]
    if absent:
        notes.append(f"there is no sound: predicted without {', '.join(absent)}")
    rows_of = {m: rows for m, rows in features.items() if isinstance(rows, np.ndarray)}
    notes += [f"{m} never changes" for m in constant(rows_of)]
    return {
        "path": said(str(video.path)),
        "duration": facts.duration,
        "width": facts.width,
        "height": facts.height,
        "frame_rate": facts.frame_rate,
        "has_sound": facts.has_sound,
        "notes": notes,
    }
