"""The built-in sample keeps its recipe, its bytes, and honest references."""

import dataclasses
import itertools
import re

import numpy as np
import pytest

from affectjax.data import records as records_lib
from affectjax.data import sample, sample_gates, sample_references, sample_story, sample_world
from affectjax.data.sample_comments import (
    context_law,
    copy_law,
    draw,
    emotional_law,
    lag_law,
    vocabulary,
)
from affectjax.data.sample_world import CONSTANTS, EMOTIONS, POLARITY, SEGMENT_SECONDS, Dials
from affectjax.data.tsc import CommentExamples
from affectjax.data.vocabulary import Vocabulary
from affectjax.errors import UserError
from data_prep import sample as command

WORLD = "185daf26d305e5567ee3dceea14d92a2a94cc70ba4a4cb3d716e1d7d44484c93"
QUICK = "08ff08741be4e27b51327c86982400e3fccb5654f8ce861d31ecc19ab210e5ba"


@pytest.fixture(scope="module")
def stories():
    return sample.make()


def clips_of(stories):
    return [clip for clips in stories.splits.values() for clip in clips]


def stream(*key):
    return np.random.Generator(np.random.Philox(key=list(key)))


# --- determinism


def test_the_world_is_frozen():
    assert sample_world.DIGEST == WORLD


def test_quick_has_the_bytes_it_always_had(stories):
    assert stories.digest == QUICK
    assert sample.make(seed=1).digest != QUICK


def test_a_dial_leaves_the_other_draws_alone(stories):
    changed = sample.make(dials=Dials(signal=0.5, style=0.0))
    for one, other in zip(clips_of(stories), clips_of(changed)):
        np.testing.assert_array_equal(one.timeline.emotion, other.timeline.emotion)
        np.testing.assert_array_equal(one.comments.time, other.comments.time)


def test_sizes(stories):
    assert {name: len(clips) for name, clips in stories.splits.items()} == {
        "train": 204,
        "test": 52,
    }
    study = sample.SIZES["study"]
    assert sum(study.sources.values()) == 700 and study.clips == 6
    groups = [{clip.group for clip in clips} for clips in stories.splits.values()]
    assert not groups[0] & groups[1]
    assert len({clip.id for clip in clips_of(stories)}) == 256


# --- words and codes


def test_words_are_plain_and_each_has_one_role():
    words = vocabulary()
    assert len(set(words)) == len(words)
    assert all(re.fullmatch("[a-z]+", word) for word in words)
    emotional = emotional_law(1.0).sum(0) + emotional_law(0.0).sum(0) > 0
    assert not (emotional & (context_law(1.0).sum(0) > 0)).any()
    assert {w for w, flag in zip(words, emotional) if flag} <= set(sample.lexicon())


@pytest.mark.parametrize("overlap, common", [(0.0, 0), (0.5, 3), (1.0, 6)])
def test_lists_of_a_polarity_overlap_and_follow_zipf(overlap, common):
    law = emotional_law(overlap)
    np.testing.assert_allclose(law.sum(1), 1)
    for a, b in itertools.combinations(range(6), 2):
        alike = int(((law[a] > 0) & (law[b] > 0)).sum())
        assert alike == (common if POLARITY[a] == POLARITY[b] else 0)
    ranked = np.sort(law, axis=1)[:, ::-1]
    np.testing.assert_allclose(ranked[:, 0] / ranked[:, 3], 4 ** CONSTANTS["word_exponent"])
    assert len(set(law.argmax(1))) == 6


def test_context_tells_little_and_nothing_at_dial_zero():
    np.testing.assert_allclose(context_law(1.0).sum(1), 1)
    flat = context_law(0.0)
    np.testing.assert_array_equal(flat, np.repeat(flat[:1], 7, axis=0))
    assert np.abs(context_law(1.0)[:6] - flat[:6]).sum(1).max() < 0.25


def test_lexicon_names_emotions():
    lexicon = sample.lexicon()
    assert lexicon["happy"] == ("joy",)
    assert lexicon["awful"] == ("fear", "sadness", "anger")


def test_codes_are_unit_vectors_with_the_planted_cosines():
    alike = np.array(POLARITY)[:, None] == np.array(POLARITY)
    wanted = np.where(np.eye(6) > 0, 1.0, np.where(alike, 0.6, 0.0))
    for name, basis in sample_world.bases().items():
        assert basis.shape[1] == sample_world.WIDTHS[name]
        np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-7)
        emotion = sample_world.codes(basis)["emotion"]
        np.testing.assert_allclose(emotion @ emotion.T, wanted, atol=1e-7)


# --- time lines and features


def test_time_lines_keep_the_recipe(stories):
    for clip in clips_of(stories):
        line = clip.timeline
        assert 45 <= line.segments <= 58 and 2 <= len(line.start) <= 4
        assert clip.duration == pytest.approx(line.segments * 16 / 30)
        assert ((3 <= line.stop - line.start) & (line.stop - line.start <= 8)).all()
        assert line.start[0] >= 0 and line.stop[-1] <= line.segments
        assert (line.start[1:] - line.stop[:-1] >= 2).all()
        assert ((line.intensity > 0) == (line.shown >= 0)).all()
        assert clip.label == line.emotion[line.decisive]
        assert line.polarity == POLARITY[clip.label]
        for name, width in sample_world.WIDTHS.items():
            assert clip.features[name].shape == (line.segments, width)
            assert clip.features[name].dtype == np.float16


def test_binding_clips_hide_the_class_in_the_matched_pair(stories):
    bound = [clip.timeline for clip in clips_of(stories) if clip.timeline.binding]
    assert 0.2 < len(bound) / 256 < 0.4
    for line in bound:
        image, audio = line.events["image"], line.events["audio"]
        pairs = [(i, a) for i in image for a in audio if i[1] == a[1]]
        assert len(pairs) == 1
        (first, _, i), (second, _, j) = pairs[0]
        assert (i + j) % 3 == line.label % 3
        assert 2 <= abs(first - second) <= 6
        assert len({*image[:, 0], *audio[:, 0]}) == 4
        assert line.strongest == line.decisive
    assert not any(clip.timeline.events for clip in clips_of(stories) if not clip.timeline.binding)


def test_motion_alone_shows_a_binding_clips_polarity():
    line = next(
        line
        for line in (
            sample_story.timeline(stream(5, i), Dials(), sample_world.prior()) for i in range(99)
        )
        if line.binding
    )
    inside = line.shown == line.strongest
    for name, basis in sample_world.bases().items():
        shown = (
            sample_story.signal(line, name, basis, Dials()) @ sample_world.codes(basis)["emotion"].T
        )
        alike = np.array(POLARITY) == line.polarity
        if name == "motion":
            assert (shown[inside][:, alike] > 0).all()
            np.testing.assert_allclose(shown[inside][:, alike].std(1), 0, atol=1e-9)
            np.testing.assert_allclose(shown[inside][:, ~alike], 0, atol=1e-7)
        else:
            np.testing.assert_allclose(shown[inside], 0, atol=1e-6)


def test_style_is_shared_by_a_source_and_as_loud_as_planted():
    plain = sample.make(dials=Dials(style=0.0))
    styled = sample.make()
    ratios = []
    both = list(zip(clips_of(styled), clips_of(plain)))
    for at in range(0, len(both), 4):
        source = both[at : at + 4]
        style = [
            (a.features["motion"].astype(float) - b.features["motion"]).mean(0) for a, b in source
        ]
        assert np.abs(np.diff(style, axis=0)).max() < 0.01
        basis = sample_world.bases()["motion"]
        shown = [sample_story.signal(c.timeline, "motion", basis, Dials()) for c, _ in source]
        ratios.append((style[0] ** 2).sum() / (np.concatenate(shown) ** 2).sum(1).mean())
    assert 1.3 < np.mean(ratios) < 1.7  # uniform in 1..2


def test_noise_is_a_unit_ar1():
    bare = sample.make(dials=Dials(signal=0.0))  # no signal, so no style either
    rows = [clip.features["image"].astype(float) for clip in clips_of(bare)]
    assert np.concatenate(rows).std() == pytest.approx(1, abs=0.01)
    after = np.mean([(x[1:] * x[:-1]).mean() for x in rows])
    assert after == pytest.approx(CONSTANTS["noise_ar"], abs=0.01)


def test_intensity_is_an_ar1():
    swing = np.concatenate([sample_story.ar1(stream(3, i), 50, 1, 0.9) for i in range(400)], 1)
    assert swing.std() == pytest.approx(1, abs=0.05)
    assert (swing[1:] * swing[:-1]).mean() == pytest.approx(0.9, abs=0.07)


# --- comments


def test_comments_are_well_formed(stories):
    emotional = set(sample.lexicon())
    words = vocabulary()
    for clip in clips_of(stories):
        said = clip.comments
        assert (np.diff(said.time) >= 0).all()
        assert len(said) == 0 or (said.time[0] >= 0 and said.time[-1] < clip.duration)
        for i, (text, flags) in enumerate(zip(said.words, said.emotional)):
            assert 3 <= len(text) <= 12
            assert flags.sum() == 0 if said.expressed[i] < 0 else 1 <= flags.sum() <= 2
            assert all((words[w] in emotional) == flag for w, flag in zip(text, flags))
            if said.copy_of[i] >= 0:
                original = said.copy_of[i]
                assert said.copy_of[original] == -1 and said.time[original] <= said.time[i]
                np.testing.assert_array_equal(text, said.words[original])
                assert said.cause[i] == said.cause[original]
        on = ~said.off_topic
        np.testing.assert_array_equal(said.expressed[on], said.emotion[on])
        np.testing.assert_array_equal(said.emotion, clip.timeline.emotions[said.cause])
        np.testing.assert_array_equal(said.episode, clip.timeline.shown[said.cause])


def test_comments_follow_the_planted_rates(stories):
    said = [clip.comments for clip in clips_of(stories)]
    off = np.concatenate([c.off_topic for c in said])
    copies = np.concatenate([c.copy_of >= 0 for c in said])
    assert off.mean() == pytest.approx(0.25, abs=0.03)
    assert copies.mean() == pytest.approx(0.30, abs=0.03)


def test_lag_is_the_planted_gamma():
    grid = np.arange(len(lag_law(1.0)) - 1) * 1e-3 + 5e-4
    for law, mean, variance in (
        (lag_law(1.0), 3.0, 4.0),
        (lag_law(0.5), 1.5, 1.0),
        (copy_law(1.0), 3.0 + 1.0, 4.0 + 1.0),
        (copy_law(0.0), 1.0, 1.0),
    ):
        density = np.diff(law)
        assert density.sum() + law[0] == pytest.approx(1, abs=1e-6)
        assert (density * grid).sum() == pytest.approx(mean, abs=2e-3)
        assert (density * (grid - mean) ** 2).sum() == pytest.approx(variance, abs=1e-2)


def test_effects_vanish_at_dial_zero():
    still = sample.make(
        dials=Dials(binding=0, off_topic=0, herding=0, lag=0, repeats=0, text_overlap=0)
    )
    for clip in clips_of(still):
        said = clip.comments
        assert not clip.timeline.binding
        assert not said.off_topic.any() and (said.copy_of == -1).all()
        np.testing.assert_array_equal(sample_references.segments_of(said), said.cause)


# --- references


def some_line():
    return sample_story.timeline(stream(1, 2), Dials(), sample_world.prior())


@pytest.mark.parametrize("dials", [Dials(), Dials(lag=0.0), Dials(herding=0.0, lag=0.5)])
def test_expected_counts_match_many_draws(dials):
    line, runs = some_line(), 300
    found = np.zeros((6, line.segments))
    for run in range(runs):
        said = draw(stream(9, run), line, dials)
        good = sample_references.kept(said)
        where = sample_references.segments_of(said)[good]
        np.add.at(found, (said.expressed[good], where), 1 / runs)
    wanted = sample_references.counts(line, dials)
    assert found.sum() == pytest.approx(wanted.sum(), rel=0.05)
    loud = wanted > 0.05
    assert (np.abs(found - wanted)[loud] < 6 * np.sqrt(wanted[loud] / runs * 2)).all()


@pytest.mark.parametrize("dials", [Dials(), Dials(lag=0.5, herding=0.5)])
def test_moments_integrate_to_segments(dials):
    line = some_line()
    fine = (np.arange(line.segments * 64) + 0.5) * SEGMENT_SECONDS / 64
    timed = sample_references.timed_counts(line, fine, dials)
    summed = timed.reshape(line.segments, 64, 6).sum(1) * SEGMENT_SECONDS / 64
    np.testing.assert_allclose(summed.T, sample_references.counts(line, dials), atol=2e-4)


def test_text_likelihood_is_a_product_over_unmasked_words(stories):
    said = clips_of(stories)[0].comments
    rows = sample_references.kept(said)
    law = context_law(1.0)
    found = sample_references.likelihood(said, rows, Dials())
    for at, row in enumerate(rows):
        slow = np.ones(6)
        for word, masked in zip(said.words[row], said.emotional[row]):
            if not masked:
                slow *= law[:6, word]
        np.testing.assert_allclose(found[at] / found[at].sum(), slow / slow.sum())


def test_references_are_ordered_and_counted(stories):
    found = sample.references(stories)
    words, time, counts = found["words"], found["time"], found["counts"]
    assert words["frequent_word"] < words["oracle_text"] < words["oracle_clip"] < words["oracle"]
    assert time["prior"]["top1"] < time["oracle"]["top1"]
    assert time["oracle"]["distance"] < time["oracle"]["distance_of_top1"]
    assert time["oracle"]["distance"] < time["prior"]["distance"]
    said = [clip.comments for clip in stories.splits["test"]]
    assert counts["comments"] == sum(flags.any() for c in said for flags in c.emotional)
    assert counts["masked_words"] == sum(int(flags.sum()) for c in said for flags in c.emotional)


def test_without_hints_text_says_no_more_than_the_commonest_word():
    found = sample.references(sample.make(dials=Dials(hints=0.0)))["words"]
    assert found["oracle_text"] == found["frequent_word"]


# --- gates


def test_the_ideal_observer_uses_the_true_likelihood(stories):
    """Its shortcuts equal dense Gaussian densities up to a constant."""
    bound = next(clip for clip in clips_of(stories) if clip.timeline.binding)
    plain = next(clip for clip in clips_of(stories) if not clip.timeline.binding)

    def dense(view, mean):
        rest = view.rest - mean
        return -0.5 * np.einsum("td,ts,sd->", rest, view.inverse, rest)

    basis = sample_world.bases()["audio"]
    view = sample_gates._View(plain, "audio", basis, Dials())
    line = plain.timeline
    slow = []
    for code in view.code["emotion"]:
        mean = np.zeros_like(view.rest)
        for t in np.flatnonzero(line.shown == line.strongest):
            mean[t] = CONSTANTS["amplitude"]["audio"] * line.intensity[t] ** 0.75 * code
        slow.append(dense(view, mean) - dense(view, 0))
    np.testing.assert_allclose(view.fits(view.code["emotion"]), slow, rtol=1e-6, atol=1e-6)

    view = sample_gates._View(bound, "audio", basis, Dials())
    fast = view.events()
    places = bound.timeline.events["audio"][:, 0]
    for k, i, q, j in itertools.islice(
        itertools.product(range(4), range(3), range(4), range(3)), 0, 144, 7
    ):
        mean = np.zeros_like(view.rest)
        mean[places[0]] = CONSTANTS["event_amplitude"] * (
            view.code["key"][k] + view.code["symbol"][i]
        )
        mean[places[1]] = CONSTANTS["event_amplitude"] * (
            view.code["key"][q] + view.code["symbol"][j]
        )
        slow = dense(view, mean) - dense(view, 0)
        assert fast[k, i, q, j] == pytest.approx(slow, rel=1e-6, abs=1e-5)


def test_classes_sum_over_all_keys_and_symbols():
    rng = np.random.default_rng(0)
    image, audio = rng.normal(size=(2, 4, 3, 4, 3))
    slow = np.zeros(3)
    each = itertools.product(range(4), range(3), range(4), range(3))
    for (k1, i1, k2, i2), (q1, j1, q2, j2) in itertools.product(list(each), repeat=2):
        matches = [
            (i, j) for k, i in ((k1, i1), (k2, i2)) for q, j in ((q1, j1), (q2, j2)) if k == q
        ]
        if k1 != k2 and q1 != q2 and len(matches) == 1:
            slow[sum(matches[0]) % 3] += np.exp(image[k1, i1, k2, i2] + audio[q1, j1, q2, j2])
    fast = sample_gates._classes(image, audio)
    np.testing.assert_allclose(fast[:3] - fast[0], np.log(slow) - np.log(slow[0]), atol=1e-9)
    np.testing.assert_array_equal(fast[:3], fast[3:])


def test_balanced_weighs_classes_alike():
    assert sample_gates.balanced(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1])) == 0.5


def test_gates_at_quick_size_say_what_they_stand_on(stories):
    found = sample.gates(stories)
    assert found["clips"]["train"] == 204 and found["clips"]["test"] == 52
    assert set(found["holds"]) == {"ceiling", "image", "motion", "audio", "binding"}
    assert found["ceiling"] > 0.75 > max(found["probes"].values())
    blind = sample.gates(sample.make(dials=Dials(signal=0.0)))
    assert blind["ceiling"] < 0.55  # all that is left is what the weaker episodes give away


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_gates_hold_at_study_size(seed):
    stories = sample.make("study", seed)
    found = sample.gates(stories)
    assert all(found["holds"].values()), found
    for name, wanted in (("image", 0.50), ("motion", 0.38), ("audio", 0.32)):
        assert found["probes"][name] == pytest.approx(wanted, abs=0.07)
    labels = [clip.label for clip in stories.splits["labelled"]]
    assert np.bincount(labels).min() >= 128
    known = sample.references(stories)
    assert 0.45 < known["words"]["oracle_text"] / known["words"]["oracle"] < 0.57
    assert known["time"]["oracle"]["top1"] > 2.5 * known["time"]["prior"]["top1"]


# --- datasets


@pytest.mark.parametrize("format", ["tfrecord", "array_record"])
def test_prepared_records_are_the_stories(tmp_path, stories, format):
    folder = sample.prepare(tmp_path, format=format)
    dataset = records_lib.open_dataset(folder)
    assert dataset.splits == {"train": 204, "test": 52}
    assert tuple(dataset.spec.label_names) == EMOTIONS
    clips, source = stories.splits["test"], dataset.split("test")
    for at in (0, 17, 51):
        record, clip = source[at], clips[at]
        assert (record["id"], record["group"], record["label"]) == (clip.id, clip.group, clip.label)
        for name, rows in clip.features.items():
            np.testing.assert_array_equal(record["features"][name], rows)
        np.testing.assert_array_equal(record["comments"]["time"], clip.comments.time)
        assert len(record["comments"]["word"]) == record["comments"]["length"].sum()
    assert {word for word, _, emotional in dataset.words() if emotional} <= set(sample.lexicon())


def test_references_stand_on_the_comments_that_pretraining_uses(tmp_path, stories):
    dataset = records_lib.open_dataset(sample.prepare(tmp_path))
    words = Vocabulary.build(dataset.words(), min_count=1)
    examples = CommentExamples(sample_world.WIDTHS, words)
    source = dataset.split("test")
    used = [examples.count(source[i])["used"] for i in range(len(source))]
    kept = [len(sample_references.kept(clip.comments)) for clip in stories.splits["test"]]
    assert used == kept
    assert sum(kept) == sample.references(stories)["counts"]["comments"]


def test_a_prepared_sample_is_reused_and_mended(tmp_path):
    folder = sample.prepare(tmp_path)
    before = folder.stat().st_ino
    assert sample.prepare(tmp_path) == folder and folder.stat().st_ino == before
    digest = records_lib.open_dataset(folder).digest
    shard = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert sample.prepare(tmp_path) == folder
    assert bytes(data) != shard.read_bytes()
    assert records_lib.open_dataset(folder).digest == digest
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_other_settings_have_other_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "ensure", lambda path, *_, **__: path)
    chosen = [{}, {"seed": 1}, {"dials": Dials(lag=0.5)}, {"format": "array_record"}]
    assert len({sample.prepare(tmp_path, **more) for more in chosen}) == 4
    assert sample.prepare(tmp_path).name.startswith("sample-quick-0-")


def test_the_command_writes_once_and_replaces_nothing(tmp_path, capsys):
    words = [f"--out={tmp_path / 'data'}", "--records"]
    assert command.main(words) == 0 and "made" in capsys.readouterr().out
    assert command.main(words) == 0 and "already there" in capsys.readouterr().out
    assert command.main([*words, "--seed=1"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    "call",
    [
        lambda: sample.make("huge"),
        lambda: sample.make(seed=-1),
        lambda: Dials(lag=1.5),
        lambda: dataclasses.replace(Dials(), style=-1),
    ],
)
def test_bad_settings_are_the_users_to_mend(call):
    with pytest.raises(UserError):
        call()
