"""Examples of time-sync comments, read back by plain loops and compared with the record."""

import collections
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectjax.data import alignment, full
from affectjax.data.tsc import MASKINGS, CommentExamples
from affectjax.data.vocabulary import MASK, PAD, SPECIALS, START, UNKNOWN, Vocabulary
from affectjax.errors import BadRecord, UserError

WIDTHS = {"image": 3, "audio": 2}
SECONDS = 16 / 30


# The records also say w40 ... w44, which are out of vocabulary.
VOCABULARY = Vocabulary((*SPECIALS, *(f"w{i}" for i in range(40))))


class FakeSource:
    """Records in memory."""

    def __init__(self, records):
        self.records = records
        self.ids = [record["id"] for record in records]
        self.groups = [record["group"] for record in records]
        self.labels = None

    def __len__(self):
        return len(self.records)

    def __getitem__(self, i):
        return self.records[i]


def make_record(number, comments=10, duration=8.0, rates=(1.875, 4.0), missing=(), shortest=0):
    """A clip whose features are the row's number, with comments all over and around it."""
    rng = np.random.default_rng(number)
    features, rate = {}, {}
    for (name, width), per_second in zip(WIDTHS.items(), rates):
        rows = 0 if name in missing else max(1, round(duration * per_second))
        features[name] = np.arange(rows, dtype=np.float16)[:, None] + np.zeros(width, np.float16)
        rate[name] = per_second
    length = rng.integers(shortest, 8, comments).astype(np.int32)
    return {
        "id": f"clip{number}",
        "group": f"g{number // 2}",
        "start": 0.0,
        "duration": duration,
        "features": features,
        "rate": rate,
        "comments": {
            "word": [f"w{i}" for i in rng.integers(0, 45, length.sum())],
            "length": length,
            "time": rng.uniform(-1, duration + 1, comments).astype(np.float32),
            "emotional": (rng.random(length.sum()) < 0.3).astype(np.uint8),
        },
    }


def make_examples(**given):
    settled = dict(segments=8, tokens=20, comments=6, masked=7, max_words=6)
    return CommentExamples(WIDTHS, **{"vocabulary": VOCABULARY} | settled | given)


def comments_of(record):
    """Slow reading of a record: (time, word ids, emotional marks) of each comment."""
    told, at, found = record["comments"], 0, []
    for length, time in zip(told["length"].tolist(), told["time"].tolist()):
        words = [VOCABULARY.ids.get(w, UNKNOWN) for w in told["word"][at : at + length]]
        found.append((time, words, told["emotional"][at : at + length].tolist()))
        at += length
    return found


def eligible_of(record, examples, first, lag=0.0):
    """Slow choice: (segment, word ids, emotional marks) of the comments that may be used."""
    count = alignment.segment_count(record["duration"], SECONDS)
    last = min(count, first + examples.segments)
    chosen = []
    for time, words, emotional in comments_of(record):
        segment = math.floor((time - lag) / SECONDS)
        if not first <= segment < last or not 0 < len(words) <= examples.max_words:
            continue
        if examples.masking == "emotional" and not any(emotional):
            continue
        chosen.append((segment - first, words, emotional))
    return chosen


def read_back(example):
    """Slow reading of an example, checking its layout: (segment, tokens, {place: true word})."""
    n = len(example["tokens"])
    found, at = [], 0
    for c, weight in enumerate(example["comment_weight"].tolist()):
        if not weight:
            assert not example["comment_weight"][c:].any()
            break
        assert example["comment_at"][c] == at and example["tokens"][at] == START
        tokens = []
        while at < n and example["token_comment"][at] == c + 1:
            assert example["token_position"][at] == len(tokens)
            tokens.append(int(example["tokens"][at]))
            at += 1
        found.append((int(example["comment_segment"][c]), tokens[1:], {}))
    for key in ("tokens", "token_comment", "token_position"):
        assert (example[key][at:] == PAD).all()
    slots = zip(*(example[f"masked_{key}"].tolist() for key in ("at", "word", "comment")))
    for place, word, comment in slots:
        if comment:
            assert example["token_comment"][place] == comment and example["tokens"][place] == MASK
            found[comment - 1][2][int(example["token_position"][place]) - 1] = word
    used = int((example["masked_comment"] > 0).sum())
    assert used == sum(len(targets) for _, _, targets in found)
    assert not example["masked_comment"][used:].any() and not example["masked_word"][used:].any()
    return found


def hidden(words, masked):
    """What an example should say of a comment with these words masked."""
    tokens = [MASK if m else w for w, m in zip(words, masked)]
    return tokens, {i: w for i, (w, m) in enumerate(zip(words, masked)) if m and w != UNKNOWN}


def as_bag(comments):
    return collections.Counter((s, tuple(t), tuple(sorted(x.items()))) for s, t, x in comments)


RECORDS = st.builds(
    make_record,
    st.integers(0, 10**6),
    comments=st.integers(0, 40),
    duration=st.sampled_from([0.1, 2.0, 4.3, 8.0, 16.0]),
)
LAGS = st.sampled_from([0.0, 0.7])


@given(RECORDS, LAGS)
@settings(max_examples=150, deadline=None)
def test_evaluation_shows_every_eligible_comment_exactly_once(record, lag):
    examples = make_examples(comment_lag=lag)
    count = alignment.segment_count(record["duration"], SECONDS)
    first = max(0, count - examples.segments) // 2
    expected = [
        (segment, *hidden(words, emotional))
        for segment, words, emotional in eligible_of(record, examples, first, lag)
    ]
    rows = [examples.evaluate(record, part) for part in range(examples.parts(record))]
    got = [comment for row in rows for comment in read_back(row)]
    assert as_bag(got) == as_bag(expected)
    assert all(row["weight"] == 1 for row in rows)


@given(RECORDS, st.integers(0, 99), st.sampled_from(sorted(MASKINGS)))
@settings(max_examples=150, deadline=None)
def test_training_shows_eligible_comments_of_the_window_as_many_as_fit(record, seed, masking):
    examples = make_examples(masking=masking)
    example = examples.train(record, np.random.default_rng(seed))
    first = int(example["features/image"][0, 0])  # rate 1.875: row number = segment number
    rest = eligible_of(record, examples, first)
    for segment, tokens, targets in read_back(example):
        masked = [token == MASK for token in tokens]
        share = MASKINGS[masking]
        same = [
            comment
            for comment in rest
            if comment[0] == segment
            and hidden(comment[1], masked) == (tokens, targets)
            and (share or masked == [bool(mark) for mark in comment[2]])
        ]
        assert same, "a comment that is not in the window, or masked wrongly"
        if share:
            assert sum(masked) == max(1, round(share * len(tokens)))
        rest.remove(same[0])
    used, (n, c, p) = read_back(example), examples.limits
    tokens_left = n - sum(len(tokens) + 1 for _, tokens, _ in used)
    targets_left = p - sum(len(targets) for _, _, targets in used)
    for _, words, emotional in rest:  # left out only because it does not fit
        if masking == "emotional":
            targets = len(hidden(words, emotional)[1])
        else:  # at most so many: which words would have been masked is not to be seen
            targets = max(1, round(MASKINGS[masking] * len(words)))
        assert len(words) + 1 > tokens_left or len(used) == c or targets > targets_left


@given(RECORDS, st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_examples_have_the_promised_shapes(record, seed):
    examples = make_examples()
    spec = examples.spec()
    made = [examples.train(record, np.random.default_rng(seed)), examples.evaluate(record, 0)]
    for example in [*made, examples.empty()]:
        assert {key: (a.shape, a.dtype) for key, a in example.items()} == spec
    assert not any(array.any() for array in examples.empty().values())


@given(
    st.floats(0.1, 30),
    st.sampled_from([0.5, 1.0, 1.875, 3.75, 4.0, 25.0]),
    st.integers(0, 60),
    st.integers(0, 20),
)
@settings(max_examples=200, deadline=None)
def test_alignment_takes_the_row_nearest_in_time(duration, rate, rows, first):
    count = min(8, alignment.segment_count(duration, SECONDS))
    features = np.arange(1, rows + 1, dtype=np.float16)[:, None]
    out, present = np.zeros((8, 1), np.float16), np.zeros(8, bool)
    alignment.align(features, rate, first, count, SECONDS, out, present)
    for t in range(8):
        centre = (first + t + 0.5) * SECONDS
        apart = [abs((row + 0.5) / rate - centre) for row in range(rows)]
        near = t < count and rows > 0 and min(apart) <= max(1 / rate, SECONDS) + 1e-9
        assert present[t] == near
        if near:
            assert apart[int(out[t, 0]) - 1] <= min(apart) + 1e-5
        else:
            assert out[t, 0] == 0


def test_rows_that_repeat_at_the_end_are_not_taken_for_a_run():
    out, present = np.zeros((3, 1), np.float16), np.zeros(3, bool)
    features = np.arange(40, dtype=np.float16)[:, None]
    alignment.align(features, 4.0, 17, 3, SECONDS, out, present)  # centres at rows 37.3, 39.5, 41.6
    assert out[:, 0].tolist() == [37, 39, 39] and present.all()


def test_a_clip_has_the_segments_whose_centres_lie_in_it():
    for duration, count in [(27.6, 52), (52 * SECONDS, 52), (10.0, 19), (0.01, 1), (0.9, 2)]:
        assert alignment.segment_count(duration, SECONDS) == count


def test_windows_are_uniform_in_training_and_central_in_evaluation():
    record, examples = make_record(1, duration=12 * SECONDS), make_examples()
    times = collections.Counter(
        int(examples.train(record, np.random.default_rng(seed))["features/image"][0, 0])
        for seed in range(1000)
    )
    assert sorted(times) == [0, 1, 2, 3, 4] and min(times.values()) > 140
    assert examples.evaluate(record, 0)["features/image"][0, 0] == 2


def test_missing_and_hidden_modalities_and_padding_are_marked():
    record = make_record(1, duration=3 * SECONDS, missing=["audio"])
    example = make_examples().evaluate(record, 0)
    assert example["present/image"].tolist() == [True] * 3 + [False] * 5
    assert not example["present/audio"].any() and not example["features/audio"].any()
    unseen = make_examples(hide=["image"]).evaluate(record, 0)
    assert not unseen["present/image"].any() and not unseen["features/image"].any()


@pytest.mark.parametrize("masking", ["random10", "random30"])
def test_random_masks_of_evaluation_belong_to_the_clip(masking):
    record = make_record(3, comments=30)
    small, large = make_examples(masking=masking), make_examples(masking=masking, tokens=200)
    first, again = ([small.evaluate(record, part) for part in range(2)] for _ in range(2))
    assert all((a[key] == b[key]).all() for a, b in zip(first, again) for key in a)

    def bag(examples):
        parts = range(examples.parts(record))
        return as_bag(c for part in parts for c in read_back(examples.evaluate(record, part)))

    assert bag(small) == bag(large)
    assert bag(small) != bag_of_renamed(small, record)


def bag_of_renamed(examples, record):
    renamed = record | {"id": "another"}
    parts = range(examples.parts(renamed))
    return as_bag(c for part in parts for c in read_back(examples.evaluate(renamed, part)))


def test_random_masks_fall_on_every_word_equally():
    record = make_record(1, comments=1, duration=3.0)
    record["comments"] = {
        "word": ["w1", "w2", "w3", "w4", "w5"],
        "length": np.array([5], np.int32),
        "time": np.array([1.0], np.float32),
        "emotional": np.zeros(5, np.uint8),
    }
    examples, times = make_examples(masking="random20"), collections.Counter()
    for seed in range(1000):
        (comment,) = read_back(examples.train(record, np.random.default_rng(seed)))
        times.update(comment[2].keys())
    assert sum(times.values()) == 1000 and min(times[i] for i in range(5)) > 140


@given(RECORDS)
@settings(max_examples=80, deadline=None)
def test_every_comment_is_counted_under_one_reason(record):
    examples = make_examples()
    n = examples.count(record)
    reasons = ("out_of_window", "empty", "too_long", "without_emotional")
    assert n["comments"] == n["used"] + sum(n[why] for why in reasons)
    count = alignment.segment_count(record["duration"], SECONDS)
    expected = eligible_of(record, examples, max(0, count - examples.segments) // 2)
    assert n["used"] == len(expected)
    assert n["words"] == sum(len(words) for _, words, _ in expected)
    masked = [w for _, words, marks in expected for w, m in zip(words, marks) if m]
    assert n["masked"] == len(masked) and n["masked_unknown"] == masked.count(UNKNOWN)
    first = examples.evaluate(record, 0)["comment_weight"].sum()
    assert n["surplus"] == n["used"] - first and n["clips_without_comments"] == (n["used"] == 0)


def test_coverage_sums_over_the_source_or_over_some_of_it():
    source, examples = FakeSource([make_record(i) for i in range(7)]), make_examples()
    every = [examples.count(record) for record in source.records]
    expected = {key: sum(n[key] for n in every) for key in every[0]}
    assert examples.coverage(source) == expected | {"unreadable": 0}
    assert examples.coverage(source, at_most=3)["clips"] == 3


def test_coverage_counts_records_that_cannot_be_read():
    class Bad(FakeSource):
        def __getitem__(self, i):
            if i == 1:
                raise BadRecord("shard", i, "checksum differs")
            return super().__getitem__(i)

    found = make_examples().coverage(Bad([make_record(i) for i in range(4)]))
    assert (found["clips"], found["unreadable"]) == (3, 1)


def test_long_comments_are_counted_not_cut():
    record = make_record(1, comments=1, duration=3.0)
    record["comments"] = {
        "word": ["w1"] * 9,
        "length": np.array([9], np.int32),
        "time": np.array([1.0], np.float32),
        "emotional": np.ones(9, np.uint8),
    }
    examples = make_examples(max_words=6)
    assert examples.count(record)["too_long"] == 1
    assert not examples.train(record, np.random.default_rng(0))["tokens"].any()


@pytest.mark.parametrize(("tokens", "each"), [(20, 3), (50, 7), (9, 2)])
def test_a_full_example_is_one_of_a_clip_that_has_no_room_left(tokens, each):
    examples = make_examples(tokens=tokens)
    count = min(6, tokens // each)
    record = make_record(1, duration=4.0)  # which fits one window
    record["comments"] = {
        "word": ["w1"] * count * (each - 1),
        "length": np.full(count, each - 1, np.int32),
        "time": np.ones(count, np.float32),
        "emotional": np.tile(np.arange(each - 1) == 0, count).astype(np.uint8),
    }
    given, made = examples.train(record, np.random.default_rng(0)), full.batch(examples, 2)
    for one in made["token_comment"][:, : count * each]:
        np.testing.assert_array_equal(one, given["token_comment"][: count * each])
    for key, (shape, dtype) in examples.spec().items():
        assert made[key].shape == (2, *shape) and made[key].dtype == dtype
        assert made[key].all() or key == "token_comment"


def test_mistakes_are_named():
    record = make_record(1)
    for settings_, match in [
        (dict(masking="some"), "masking 'some' is unknown"),
        (dict(max_words=30), "does not fit a row"),
        (dict(hide=["smell"]), "cannot hide smell"),
    ]:
        with pytest.raises(UserError, match=match):
            make_examples(**settings_)
    wide = CommentExamples(WIDTHS | {"image": 5}, VOCABULARY)
    with pytest.raises(UserError, match=r"features of shape \(15, 3\) where width 5"):
        wide.evaluate(record, 0)
    with pytest.raises(UserError, match="no modality motion"):
        CommentExamples(WIDTHS | {"motion": 5}, VOCABULARY).evaluate(record, 0)
    with pytest.raises(UserError, match="no time-sync comments"):
        make_examples().evaluate({k: v for k, v in record.items() if k != "comments"}, 0)
    broken = record | {"comments": record["comments"] | {"word": ["w1"]}}
    with pytest.raises(UserError, match="1 words, but lengths sum to"):
        make_examples().evaluate(broken, 0)
