"""Whole videos in T segments of equal length, and one feature row of each modality for each.

A row stands for a snippet of a segment: in training a random one of those whose centre lies in
it, in testing the one nearest to its centre; or the mean of them all. A segment in which a modality
has no row, nor one close by, is marked as not there. Besides features, or instead of them, a
segment may hold a run of frames and a stretch of MFCC, for networks trained with the model.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from affectjax.data import alignment
from affectjax.data import augment as augment_lib
from affectjax.data import frames as frames_lib
from affectjax.errors import UserError

ROWS = ("one", "mean")
CROPS = ("centre", "first")
LOOKS = ("key", "left")  # what is seen besides the whole video


class SnippetExamples:
    """Record -> example with the video's label, its intervals and its duration. Picklable.

    truth [S, 3] holds up to `truths` annotated intervals (start, end, label), NaN where there are
    fewer; where it is 0 nothing of them is told. With `frames` F there are frames uint8
    [T, F, size, size, 3]; with `mfcc` D there is mfcc float32 [S, mfcc_rows // S, D] in S =
    `mfcc_segments` stretches, T where that is 0. With `looks` the same frames come twice more,
    each time changed by a draw of their own, as frames/key and frames/left; and frames_start
    float32 [3, T] says where in a segment a snippet begins, as a share of the way.
    """

    def __init__(
        self,
        modalities: Mapping[str, int],
        outputs: Sequence[str],
        segments: int,
        rows: str = "one",
        truths: int = 0,
        hide: Iterable[str] = (),
        frames: int = 0,
        frame_size: int = 112,
        division: str = "time",
        augment: str = "paper",
        looks: bool = False,
        mfcc: int = 0,
        mfcc_rows: int = 4096,
        mfcc_crop: str = "centre",
        mfcc_segments: int = 0,
    ):
        if rows not in ROWS:
            raise UserError(
                f"rows {rows!r} is unknown", "examples.rows", f"Choose from {', '.join(ROWS)}."
            )
        if segments < 1 or truths < 0 or frames < 0 or mfcc < 0:
            raise UserError("a number is below 0, or there are no segments", "examples")
        if mfcc_crop not in CROPS or mfcc_rows < (mfcc_segments or segments):
            raise UserError(
                f"mfcc_crop {mfcc_crop!r} of {mfcc_rows} rows in {segments} segments",
                "examples",
                f"Choose from {', '.join(CROPS)}, and at least a row for each segment.",
            )
        _one_of(division, frames_lib.DIVISIONS, "examples.division")
        _one_of(augment, augment_lib.HOWS, "examples.augment")
        if frames and frame_size < 1 or looks and not frames:
            raise UserError(
                f"frames {frames} of size {frame_size}, looks {looks}",
                "examples",
                "Several looks are at frames: set examples.frames, and a size above 0.",
            )
        alignment.check_hidden(hide, modalities)
        self.modalities = dict(modalities)
        self.outputs = tuple(outputs)
        self.segments = segments
        self.rows = rows
        self.truths = truths
        self.hide = tuple(hide)
        self.frames, self.frame_size = frames, frame_size
        self.division, self.augment, self.looks = division, augment, bool(looks)
        self.mfcc, self.mfcc_rows, self.mfcc_crop = mfcc, mfcc_rows, mfcc_crop
        self.mfcc_segments = mfcc_segments or segments

    def check(self, spec: Any, where: str) -> None:
        """The dataset has the classes that the model is to predict, and intervals if asked for."""
        if tuple(spec.label_names) != self.outputs:
            have = ", ".join(spec.label_names) or "none"
            raise UserError(
                f"model.outputs is {', '.join(self.outputs)}, the dataset has {have}",
                where,
                f'Say "--config.model.outputs={tuple(spec.label_names)}", or take a dataset with '
                "such targets.",
            )
        wanted = {"frames": (bool(self.frames), spec.frames), "mfcc": (self.mfcc, spec.mfcc)}
        for name, (asked, given) in wanted.items():
            if asked and asked != given:
                raise UserError(
                    f"the dataset has no {name} as examples.{name} asks for them",
                    where,
                    f"It has {given or 'none'}; build it with --extractors={name}, or train on "
                    "features.",
                )
        if self.truths and not spec.segments:
            raise UserError(
                "the dataset has no annotated intervals to score detection by",
                where,
                "Say --config.examples.truths=0, or take a dataset that has them.",
            )

    def spec(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """Shape without B, and dtype, of every array of an example."""
        shapes = alignment.feature_shapes(self.modalities, self.segments)
        shapes["label"] = ((), np.int32)
        shapes["weight"] = ((), np.float32)
        t, size = self.segments, self.frame_size
        if self.frames:
            shape = (t, self.frames, size, size, 3)
            shapes["frames"] = (shape, np.uint8)
            shapes["present/frames"] = ((t,), np.bool_)
            if self.looks:
                shapes |= {f"frames/{look}": (shape, np.uint8) for look in LOOKS}
                shapes["frames_start"] = ((1 + len(LOOKS), t), np.float32)
        if self.mfcc:
            s = self.mfcc_segments
            shapes["mfcc"] = ((s, self.mfcc_rows // s, self.mfcc), np.float32)
            shapes["present/mfcc"] = ((s,), np.bool_)
        if self.truths:
            shapes["truth"] = ((self.truths, 3), np.float32)
            shapes["duration"] = ((), np.float32)
        return {key: (shape, np.dtype(dtype)) for key, (shape, dtype) in shapes.items()}

    def empty(self) -> dict[str, np.ndarray]:
        """An example that counts for nothing: padding, or the place of a bad record."""
        example = {key: np.zeros(shape, dtype) for key, (shape, dtype) in self.spec().items()}
        example["label"][...] = -1
        if self.truths:
            example["truth"][...] = np.nan
        return example

    def train(self, record: Mapping, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """A random row of each segment."""
        return self._example(record, rng)

    def parts(self, record: Mapping) -> int:
        """How many rows a record gives: one."""
        return 1

    def evaluate(self, record: Mapping, part: int) -> dict[str, np.ndarray]:
        """The row at each segment's centre."""
        return self._example(record, None)

    def _example(self, record: Mapping, rng: np.random.Generator | None) -> dict[str, np.ndarray]:
        example = self.empty()
        example["weight"][...] = 1
        example["label"][...] = record.get("label", -1)
        places = None if rng is None else rng.random(self.segments)  # one moment for all modalities
        for m, width in self.modalities.items():
            features = record["features"].get(m)
            if features is None or features.shape[1:] != (width,):
                told = "none" if features is None else f"shape {features.shape}"
                raise UserError(
                    f"features of {told} where width {width} is configured",
                    f"{m} of {record['id']}",
                    "Set the width in the config to the dataset's, or build the dataset again.",
                )
            if m not in self.hide and len(features):
                self._fill(features, record["rate"][m], record["duration"], places, m, example)
        if self.frames:
            self._show(record, rng, example)
        if self.mfcc and len(record["mfcc"]):
            example["mfcc"][:] = frames_lib.sound_segments(
                record["mfcc"], self.mfcc_rows, self.mfcc_segments, self.mfcc_crop
            )
            example["present/mfcc"][:] = True
        if self.truths:
            self._tell(record, example)
        return example

    def _fill(self, features, rate, duration, places, m, example) -> None:
        """Rows [T_m, D_m] into the example's [T, D_m]."""
        seconds = duration / self.segments
        nearest, _ = alignment.nearest_rows(len(features), rate, 0, self.segments, seconds)
        first, stop = segment_rows(len(features), rate, self.segments, seconds)
        centre = (np.arange(self.segments) + 0.5) * seconds * rate
        near = (stop > first) | (np.abs(nearest + 0.5 - centre) <= 1.0)
        out = example[f"features/{m}"]
        example[f"present/{m}"][:] = near
        chosen = nearest
        if self.rows == "mean":
            for t in np.flatnonzero(near):
                inside = slice(first[t], stop[t]) if first[t] < stop[t] else slice(nearest[t], None)
                rows = features[inside][: max(1, stop[t] - first[t])]
                out[t] = rows.astype(np.float32).mean(0)
            return
        if places is not None:
            count = stop - first
            drawn = first + np.minimum((places * count).astype(np.int64), count - 1)
            chosen = np.where(count > 0, drawn, nearest)
        out[near] = features[chosen[near]]

    def _show(self, record: Mapping, rng: np.random.Generator | None, example: dict) -> None:
        """The frames, once or for every look."""
        chosen, there = self.runs(record, rng)
        size = self.frame_size
        found = frames_lib.decoded(record["frames"], chosen[there].ravel(), size, record["id"])
        example["present/frames"][:] = there
        for key in ["frames"] + [f"frames/{look}" for look in LOOKS if self.looks]:
            drawn = augment_lib.MIDDLE if rng is None else augment_lib.draw(self.augment, rng)
            example[key][:] = frames_lib.snippets(found, chosen, there, size, drawn)
        if self.looks:
            start = example["frames_start"]
            start[:] = 0.5 if rng is None else rng.random(start.shape)

    def runs(
        self, record: Mapping, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Numbers int [T, F] of the frames that are shown, and bool [T], which are there."""
        asked = self.segments, self.frames, rng
        if self.division == "count":
            return frames_lib.runs_by_count(len(record["frames"]), *asked)
        return frames_lib.runs(record["frames_time"], record["duration"], *asked)

    def _tell(self, record: Mapping, example: dict[str, np.ndarray]) -> None:
        known = record["segments"]
        if len(known) > self.truths:
            raise UserError(
                f"{len(known)} annotated intervals, room for {self.truths}",
                f"record {record['id']}",
                f"Say --config.examples.truths={len(known)}.",
            )
        example["truth"][: len(known)] = known
        example["duration"][...] = record["duration"]


def _one_of(value: str, choices: Sequence[str], key: str) -> None:
    if value not in choices:
        raise UserError(f"{key} = {value!r} is unknown", key, f"Choose from {', '.join(choices)}.")


def segment_rows(
    rows: int, rate: float, segments: int, seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each of T segments of `seconds`: the first row centred in it, and one past the last."""
    edges = np.arange(segments + 1) * seconds * rate - 0.5  # row j is centred on j + 0.5
    bounds = np.clip(np.ceil(edges - 1e-6).astype(np.int64), 0, rows)
    return bounds[:-1], bounds[1:]


Examples = SnippetExamples  # what `examples.name = "snippets"` in a config stands for
