"""THE schema: what a record holds, and its bytes as a tf.train.Example, the same for equal records.

A record, once read (its arrays cannot be written to):

    id, group        str; the clip, and the film, source video or show that splits keep whole
    start, duration  float, seconds
    features         {modality: float16 [T_m, D_m]}; a modality that the clip lacks has no rows
    rate             {modality: float, rows per second}; row i is centred on (i + 0.5) / rate
                     seconds from the clip's start; 1.0 where nobody said
    comments         {word: list of str, the comments' words one after another; length: int32 [C];
                     time: float32 [C], seconds in the clip; emotional: uint8 [sum of length]};
                     a clip without comments has empty ones
    label            int, index into label_names, -1 unknown
    values           float32 [n, V], NaN where masked, and values_time: float32 [n]
    distribution     float32 [n, K] and distribution_time: float32 [n]
    segments         float32 [n, 3]: start, end, label
    frames           list of JPEG bytes, and frames_time: float32 [n]
    mfcc             float32 [n, D]

Everything from `comments` on is there where the dataset's Spec says so, and only there; what a clip
lacks has no rows.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from google.protobuf.message import DecodeError
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2


@dataclasses.dataclass(frozen=True)
class Field:
    """One flat entry of a record. `width` of an array is that of its rows, 0 for plain numbers."""

    kind: str  # text | texts | blobs | scalar | array
    dtype: type = np.object_
    width: int = 0
    default: Any = None  # for a record that leaves it out; None: it must be given

    def feature(self) -> tfds.features.FeatureConnector:
        """What TFDS calls this field."""
        match self.kind:
            case "text":
                return tfds.features.Text()
            case "texts":
                return tfds.features.Sequence(tfds.features.Text())
            case "blobs":
                return tfds.features.Tensor(shape=(None,), dtype=np.object_)
        rows = () if self.kind == "scalar" else (None, self.width) if self.width else (None,)
        return tfds.features.Tensor(shape=rows, dtype=self.dtype, encoding="bytes")

    def to_bytes(self, value: Any) -> list[bytes]:
        """The value as an Example holds it, or ValueError."""
        match self.kind:
            case "text":
                return [_text(value)]
            case "texts":
                return [_text(word) for word in value]
            case "blobs":
                return [bytes(blob) for blob in value]
        raw = np.asarray(value)
        if self.width and raw.shape == (0,):  # [] stands for no rows
            raw = raw.reshape(0, self.width)
        rank = 0 if self.kind == "scalar" else 2 if self.width else 1
        if raw.ndim != rank or (self.width and raw.shape[1] != self.width):
            raise ValueError(f"it has shape {raw.shape}, the spec says {self.shape}")
        with np.errstate(all="ignore"):  # an overflow shows as an infinity
            exact = raw.astype(self.dtype)
        if np.issubdtype(self.dtype, np.integer) and not np.array_equal(exact, raw):
            raise ValueError(f"it does not fit into {np.dtype(self.dtype).name}")
        return [exact.tobytes()]

    @property
    def shape(self) -> str:
        """Its shape in words, for messages."""
        return "()" if self.kind == "scalar" else f"(n, {self.width})" if self.width else "(n,)"

    def from_bytes(self, values: Any) -> Any:
        """The value that the bytes of an example stand for."""
        if self.kind == "texts":
            return [value.decode() for value in values]
        if self.kind == "blobs":
            return list(values)
        (value,) = values
        if self.kind == "text":
            return value.decode()
        array = np.frombuffer(value, self.dtype)
        if self.kind == "scalar":
            return array.item()
        return array.reshape(-1, self.width) if self.width else array


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value.encode()


@dataclasses.dataclass(frozen=True)
class Spec:
    """What the records of a dataset hold besides id, group, start and duration."""

    modalities: dict[str, int] = dataclasses.field(default_factory=dict)  # name -> width D_m
    comments: bool = False
    label_names: tuple[str, ...] = ()
    value_names: tuple[str, ...] = ()
    distribution_names: tuple[str, ...] = ()
    segments: bool = False
    frames: bool = False
    mfcc: int = 0  # width, 0 for none

    def __post_init__(self):
        object.__setattr__(self, "modalities", dict(sorted(self.modalities.items())))
        for key in ("label_names", "value_names", "distribution_names"):
            object.__setattr__(self, key, tuple(getattr(self, key)))

    def to_json(self) -> dict:
        """As plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, value: Mapping) -> "Spec":
        """The inverse of `to_json`."""
        return cls(**value)

    @functools.cached_property
    def fields(self) -> dict[str, Field]:
        """The flat entries of a record, `/` between levels; the TFDS features have these names."""
        rows = functools.partial(Field, "array", np.float32, default=())
        out = {
            "id": Field("text"),
            "group": Field("text"),
            "start": Field("scalar", np.float64),
            "duration": Field("scalar", np.float64),
        }
        for name, width in self.modalities.items():
            out[f"features/{name}"] = Field("array", np.float16, width, default=())
            out[f"rate/{name}"] = Field("scalar", np.float64, default=1.0)
        if self.comments:
            out["comments/word"] = Field("texts", default=())
            out["comments/length"] = Field("array", np.int32, default=())
            out["comments/time"] = rows()
            out["comments/emotional"] = Field("array", np.uint8, default=())
        if self.label_names:
            out["label"] = Field("scalar", np.int64, default=-1)
        if self.value_names:
            out["values"], out["values_time"] = rows(len(self.value_names)), rows()
        if self.distribution_names:
            out["distribution"] = rows(len(self.distribution_names))
            out["distribution_time"] = rows()
        if self.segments:
            out["segments"] = rows(3)
        if self.frames:
            out["frames"], out["frames_time"] = Field("blobs", default=()), rows()
        if self.mfcc:
            out["mfcc"] = rows(self.mfcc)
        return out


def features_dict(spec: Spec) -> tfds.features.FeaturesDict:
    """All fields of a record, as TFDS has them."""
    return tfds.features.FeaturesDict(
        _nested({key: field.feature() for key, field in spec.fields.items()})
    )


def _nested(flat: Mapping[str, Any]) -> dict:
    out = {}
    for key, value in flat.items():
        parent, _, name = key.rpartition("/")
        (out.setdefault(parent, {}) if parent else out)[name] = value
    return out


def _flat(record: Mapping[str, Any]) -> dict:
    out = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            out.update({f"{key}/{name}": item for name, item in value.items()})
        else:
            out[key] = value
    return out


def encode(spec: Spec, record: Mapping[str, Any]) -> bytes:
    """The record's bytes, always the same; ValueError says why it cannot have any."""
    wanted, given = spec.fields, _flat(record)
    if unknown := sorted(set(given) - set(wanted)):
        raise ValueError(f"{unknown[0]} is not in the spec")
    entries = {}
    for key, field in wanted.items():
        value = given.get(key, field.default)
        if value is None:
            raise ValueError(f"{key} is missing")
        try:
            value = field.to_bytes(value)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{key}: {error}") from error
        entries[key] = tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=value))
    example = tf_example_pb2.Example(features=tf_feature_pb2.Features(feature=entries))
    data = example.SerializeToString(deterministic=True)
    _check_values(spec, decode(spec, data))
    return data


def decode(spec: Spec, data: bytes) -> dict[str, Any]:
    """The record from its bytes; ValueError says why they are none of this spec."""
    # TFDS's parser reads the same bytes at a third of the speed; a test holds the two equal.
    wanted = spec.fields
    try:
        entries = tf_example_pb2.Example.FromString(data).features.feature
    except DecodeError as error:
        raise ValueError("the protobuf does not decode") from error
    if unknown := sorted(set(entries) - set(wanted)):
        raise ValueError(f"{unknown[0]} is not in the spec")
    record = {"features": {}, "rate": {}}
    for key, field in wanted.items():
        if key not in entries:
            raise ValueError(f"{key} is missing")
        parent, _, name = key.rpartition("/")
        try:
            value = field.from_bytes(entries[key].bytes_list.value)
        except ValueError as error:
            raise ValueError(f"{key} does not fit the spec, {field.shape}: {error}") from error
        (record.setdefault(parent, {}) if parent else record)[name] = value
    _check_lengths(spec, record)
    return record


def _check_lengths(spec: Spec, record: Mapping[str, Any]) -> None:
    """Arrays that belong together are of one length."""
    pairs = [("values", "values_time"), ("distribution", "distribution_time")]
    for rows, times in [*pairs, ("frames", "frames_time")]:
        if rows in record and len(record[rows]) != len(record[times]):
            raise ValueError(f"{len(record[rows])} {rows}, {len(record[times])} {times}")
    if spec.comments:
        comments = record["comments"]
        words = len(comments["word"])
        if len(comments["time"]) != len(comments["length"]):
            raise ValueError(f"{len(comments['length'])} comments, {len(comments['time'])} times")
        if comments["length"].sum() != words or (comments["length"] < 0).any():
            raise ValueError(f"comments/length does not add up to the {words} words")
        if len(comments["emotional"]) != words:
            raise ValueError(f"{words} words, {len(comments['emotional'])} comments/emotional")


def _check_values(spec: Spec, record: Mapping[str, Any]) -> None:
    """What is looked at once, before it is written: afterwards the checksums vouch for it."""
    if not record["id"] or not record["group"]:
        raise ValueError("id and group cannot be empty")
    for key, field in spec.fields.items():
        parent, _, name = key.rpartition("/")
        value = (record[parent] if parent else record)[name]
        masked = key in ("values", "distribution")  # where NaN has a meaning
        if np.issubdtype(field.dtype, np.floating):
            if np.isinf(value).any() or (not masked and np.isnan(value).any()):
                raise ValueError(f"{key} has a value that is not finite in {np.dtype(field.dtype)}")
        if parent == "rate" and value <= 0:
            raise ValueError(f"{key} is {value}")
    if record["duration"] < 0:
        raise ValueError(f"duration is {record['duration']}")
    if spec.label_names and not -1 <= record["label"] < len(spec.label_names):
        raise ValueError(f"label is {record['label']} of {len(spec.label_names)}")
    if spec.comments:
        if (record["comments"]["length"] < 1).any():
            raise ValueError("a comment has no words")
        if (record["comments"]["emotional"] > 1).any():
            raise ValueError("comments/emotional is neither 0 nor 1")
        for word in record["comments"]["word"]:
            if word.split() != [word]:
                raise ValueError(f"the word {word!r} is empty or has white space in it")
