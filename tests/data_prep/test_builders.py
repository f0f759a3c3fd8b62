"""Each dataset's own annotation files: labels, splits, segments and values, and what is wrong."""

import collections
import pathlib

import numpy as np
import pytest

from affectjax.data import load, records
from affectjax.errors import COMPLETE, UserError
from data_prep import build, builders, find, lexicon
from data_prep.builders import liris_films, videoemotion8
from data_prep.plan import Found, Request, Said
from tests.data_prep import making


def plan(name, videos, annotations=None, comments=None, **options):
    builder = builders.named(name)
    request = Request(
        videos=pathlib.Path(videos).absolute(),
        comments=comments,
        annotations=annotations,
        options=builders.options(builder, options),
        lexicon=lexicon.load("sample"),
    )
    return builder.plan(request)


def clips(made, duration=10.0, said=None, missing=()):
    """What the plan cuts when every source has that duration; those in `missing` had to go."""

    def lookup(source):
        return None if source.name in missing else Found(duration, said and said[source.name])

    return made.clips(lookup)


def empty(root, *names):
    """Videos by name alone: nobody opens them here."""
    for name in names:
        path = pathlib.Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return pathlib.Path(root)


# --- Ekman-6


@pytest.fixture
def ekman(tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "trainlist01.txt").write_text("anger/1 1\njoy/2.mp4 4\nsurprise/3 6")
    (notes / "testlist01.txt").write_text("fear/4\nsadness/5 5\n")
    (notes / "classInd.txt").write_text("1 anger\n2 disgust\n3 fear\n4 joy\n5 sadness\n6 surprise")
    videos = empty(tmp_path / "v", "anger/1.mp4", "joy/2.webm", "fear/4.mp4", "sadness/5.avi")
    return notes, videos


def test_ekman6_follows_the_public_lists(ekman):
    notes, videos = ekman
    made = plan("ekman6", videos, notes)
    found = clips(made)
    assert {s: [(c.id, c.targets["label"]) for c in each] for s, each in found.items()} == {
        "train": [("anger/1", 0), ("joy/2", 3)], "test": [("fear/4", 2), ("sadness/5", 4)],
    }  # fmt: skip
    assert made.skipped == {"surprise/3": "no video file"}
    assert len(made.notes) == 2 and "lists 3 videos, the public split 819" in made.notes[0]
    assert not made.spec["segments"]


def test_ekman6_segments(ekman):
    notes, videos = ekman
    (notes / "segments.txt").write_text("1 0.5 2 3 4 8 12 10\njoy/2,1.5,2.5,10\n")
    found = clips(plan("ekman6", videos, notes))
    np.testing.assert_allclose(
        found["train"][0].targets["segments"], [[0.5, 2, 0], [3, 4, 0], [8, 10, 0]]
    )
    np.testing.assert_allclose(found["train"][1].targets["segments"], [[1.5, 2.5, 3]])
    assert found["test"][0].targets["segments"].shape == (0, 3)
    for line, said in (("1 5 2 10", "ends before"), ("7 1 2 10", "no line"), ("1 a b", "no line")):
        (notes / "segments.txt").write_text(line)
        with pytest.raises(UserError, match=said):
            plan("ekman6", videos, notes)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("trainlist01.txt", "anger/1 2", "contradicts itself.*line 1"),
        ("trainlist01.txt", "\nangst/1 1", "begins with no class"),
        ("testlist01.txt", "anger/1 1", "listed twice"),
        ("classInd.txt", "1 joy", "names another class"),
    ],
)
def test_ekman6_lists_that_are_wrong(ekman, file, text, said):
    notes, videos = ekman
    (notes / file).write_text(text)
    with pytest.raises(UserError, match=said):
        plan("ekman6", videos, notes)


def test_a_missing_list_is_named_with_its_home(ekman):
    notes, videos = ekman
    (notes / "testlist01.txt").unlink()
    with pytest.raises(UserError, match="testlist01.txt is missing.*bigvid.fudan.edu.cn"):
        plan("ekman6", videos, notes)


# --- VideoEmotion-8


@pytest.fixture
def eight(tmp_path):
    """Thirty videos of each class, one of them listed under two, in lists of 2/3 and 1/3."""
    notes = tmp_path / "notes"
    notes.mkdir()
    lines = [f"{k.title()}/{k}{i} {n}" for n, k in enumerate(videoemotion8.CLASSES, 1)
             for i in range(30)]  # fmt: skip
    lines.append("Fear/anger7 4")
    (notes / "trainlist01.txt").write_text("\n".join(lines[::3] + lines[1::3]))
    (notes / "testlist01.txt").write_text("\n".join(line.split()[0] for line in lines[2::3]))
    videos = empty(tmp_path / "v", *[line.split()[0] + ".mp4" for line in lines])
    return notes, videos


def test_the_ten_splits_are_stratified_fixed_and_without_the_video_of_two_classes(eight):
    notes, videos = eight
    made = plan("videoemotion8", videos, notes)
    (found,) = clips(made).values()
    ids = [clip.id for clip in found]
    assert len(ids) == 239 and not [name for name in ids if name.endswith("/anger7")]
    assert made.skipped == dict.fromkeys(("Anger/anger7", "Fear/anger7"),
                                         "it is listed under two classes")  # fmt: skip
    assert list(made.partitions) == [*map(str, range(10)), "published"]
    label = {clip.id: clip.targets["label"] for clip in found}
    seen = set()
    for i in range(10):
        parts = made.partitions[str(i)]
        assert set(parts) == set(ids)
        train = collections.Counter(label[name] for name, part in parts.items() if part == "train")
        assert [train[k] for k in range(8)] == [19, *[20] * 7]  # of 29 and of 30
        seen.add(tuple(sorted(parts.items())))
    assert len(seen) == 10
    assert sum(part == "test" for part in made.partitions["published"].values()) in (79, 80)


def test_a_video_that_is_gone_moves_no_other(eight):
    label = {f"Joy/{i}": 4 for i in range(30)}
    whole = videoemotion8.partition(label, 3)
    notes, videos = eight
    (videos / "Joy/joy4.mp4").unlink()
    made = plan("videoemotion8", videos, notes)
    assert made.skipped["Joy/joy4"] == "no video file"
    assert len(made.partitions["3"]) == 239  # it keeps its place
    assert whole == videoemotion8.partition(dict(reversed(label.items())), 3)


def test_without_lists_the_folders_are_the_classes(eight):
    _, videos = eight
    listed = plan("videoemotion8", videos, eight[0])
    alone = plan("videoemotion8", videos)
    for i in range(10):
        assert alone.partitions[str(i)] == listed.partitions[str(i)]
    with pytest.raises(UserError, match="yugangjiang.info"):
        plan("videoemotion8", empty(videos.parent / "w", "x.mp4"))


def test_training_chooses_one_of_the_splits(eight, tmp_path):
    """Real videos, the real command, and the loader of a run."""
    names = [f"{k}/{k[:2]}{i}" for k in ("Anger", "Joy") for i in range(6)]
    for i, name in enumerate(names):
        making.video(tmp_path / "videos" / f"{name}.mp4", 1, i % 3)
    (tmp_path / "videos/Joy/broken.mp4").write_bytes(b"")
    out = tmp_path / "d"
    words = ["videoemotion8", f"--videos={tmp_path / 'videos'}", f"--out={out}", "--workers=2"]
    assert build.main([*words, f"--extractors={making.EXTRACTOR}"]) == COMPLETE
    dataset = records.open_dataset(out)
    assert dataset.splits == {"all": 12}
    places = {name: 4 if name[0] == "J" else 0 for name in [*names, "Joy/broken"]}
    for i in (0, 7):
        data = load.load(str(out), partition=str(i))
        wanted = videoemotion8.partition(places, i)
        for part in ("train", "test"):
            ids = sorted(name for name in names if wanted[name] == part)
            assert sorted(data.parts[part].ids) == ids
            assert [data.parts[part][j]["id"] for j in range(len(ids))] == data.parts[part].ids
    held = load.load(str(out), partition="0", validation=0.3).parts
    assert not set(held["validation"].ids) & set(held["train"].ids)
    with pytest.raises(UserError, match="10 ways.*--config.data.partition=NAME: 0, 1,"):
        load.load(str(out))
    with pytest.raises(UserError, match="no partition '10'"):
        load.load(str(out), partition="10")
    with pytest.raises(UserError, match="no split 'dev' for data.test.*test, train"):
        load.load(str(out), partition="1", test="dev")


def test_names_that_were_published_with_an_ending_find_their_files(tmp_path):
    videos = empty(tmp_path, "Joy/a.wmv.mp4", "Joy/b.mp4", "Joy/c.d.webm")
    there = find.videos(videos)
    found = find.match(["Joy/a", "Joy/b", "Joy/c.d", "Joy/e"], there)
    assert {name: path.name for name, path in found.items()} == {
        "Joy/a": "a.wmv.mp4", "Joy/b": "b.mp4", "Joy/c.d": "c.d.webm",
    }  # fmt: skip


# --- CAER


def test_caer_has_seven_classes_or_six(tmp_path):
    videos = empty(tmp_path, "train/Anger/1.avi", "train/Neutral/2.avi", "validation/Sad/3.avi",
                   "test/Surprise/4.avi", "extra/5.avi")  # fmt: skip
    seven, six = plan("caer", videos), plan("caer", videos, classes=6)
    assert seven.spec["label_names"].index("Neutral") == 4 and len(six.spec["label_names"]) == 6
    labels = {c.id: c.targets["label"] for each in clips(seven).values() for c in each}
    assert labels == {"train/Anger/1": 0, "train/Neutral/2": 4, "validation/Sad/3": 5,
                      "test/Surprise/4": 6}  # fmt: skip
    assert "train/Neutral/2" not in [c.id for c in clips(six)["train"]]
    assert six.skipped == {"extra/5": "it lies in no folder of a split and a class"}
    with pytest.raises(UserError, match="classes is 6 or 7"):
        plan("caer", videos, classes=5)


def test_caer_groups_from_a_file(tmp_path):
    videos = empty(tmp_path / "v", "train/Anger/1.avi", "validation/Sad/3.avi", "test/Fear/4.avi")
    (tmp_path / "shows.csv").write_text("1.avi,friends\ntest/Fear/4.avi,house\n")
    found = clips(plan("caer", videos, tmp_path, groups="shows.csv"))
    assert [c.group for each in found.values() for c in each] == [
        "friends", "validation/Sad/3", "house",
    ]  # fmt: skip


# --- LIRIS-ACCEDE


@pytest.fixture
def liris(tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    names = [f"ACCEDE0000{i}.mp4" for i in range(4)]
    rows = [f"{i}\t{n}\t{i}\t{3 - i}\t{i + 0.5}\t{3.5 - i}\t0.1\t0.1" for i, n in enumerate(names)]
    head = "id\tname\tvalenceRank\tarousalRank\tvalenceValue\tarousalValue\tvalenceVariance\tarousalVariance"  # noqa: E501
    (notes / "ACCEDEranking.txt").write_text("\n".join([head, *rows]))
    sets = [f"{i}\t{n}\t{s}" for i, (n, s) in enumerate(zip(names, (1, 2, 0, 1)))]
    (notes / "ACCEDEsets.txt").write_text("\n".join(["id\tname\tset", *sets]))
    affect = [f"{i}\t{n}\t{i % 3 - 1}\t{1 - i % 3}" for i, n in enumerate(names)]
    (notes / "ACCEDEaffect.txt").write_text(
        "\n".join(["id\tname\tvalenceClass\tarousalClass", *affect])
    )
    media = "".join(f"<media><name>{n}</name><movie>Film {i // 2}</movie></media>"
                    for i, n in enumerate(names))  # fmt: skip
    (notes / "ACCEDEdescription.xml").write_text(f"<library>{media}</library>")
    return notes, empty(tmp_path / "v", *names)


def test_liris_classes_of_2015(liris):
    notes, videos = liris
    made = plan("liris_accede", videos, notes, task="2015", target="arousal")
    found = clips(made)
    assert made.spec["label_names"] == ("calm", "neutral", "active")
    assert {s: [c.id[-1] for c in each] for s, each in found.items()} == {
        "train": ["0", "3"], "validation": ["1"], "test": ["2"],
    }  # fmt: skip
    assert [c.targets["label"] for c in found["train"]] == [2, 2]
    np.testing.assert_array_equal(found["test"][0].targets["values"], [[1, -1]])
    assert found["train"][0].group == "Film 0" and found["test"][0].group == "Film 1"


def test_liris_values_of_2016(liris):
    notes, videos = liris
    alone = clips(plan("liris_accede", videos, notes))
    assert sorted(alone) == ["test", "train", "validation"]
    np.testing.assert_allclose(alone["test"][0].targets["values"], [[2.5, 1.5]])
    (notes / "extra.txt").write_text("id\tname\tvalenceValue\tarousalValue\n9\tMEDIA1.mp4\t1\t2\n")
    empty(videos, "MEDIA1.mp4")
    both = clips(plan("liris_accede", videos, notes))
    assert len(both["train"]) == 4 and [c.id for c in both["test"]] == ["MEDIA1"]


def test_liris_seconds_of_2018_keep_their_holes(tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    text = "Time\tMean\tStd\n0\t0.1\t0\n1\t0.2\t0\n4\t-0.5\t0"
    (notes / "MEDIAEVAL18_00_Valence.txt").write_text(text)
    (notes / "MEDIAEVAL18_00_Arousal.txt").write_text("")
    (notes / "MEDIAEVAL18_54_Valence.txt").write_text("0,0.3,0\n1,0.4,0\n")
    (notes / "MEDIAEVAL18_54_Arousal.txt").write_text("0 0.3 0\n")
    videos = empty(tmp_path / "v", *[f"MEDIAEVAL18_{n}.mp4" for n in ("00", "54", "65")])
    made = plan("liris_accede", videos, notes, task="2018")
    found = clips(made, 6.4)
    assert {s: [c.id[-2:] for c in each] for s, each in found.items()} == {
        "train": ["00"], "test": ["54", "65"],
    }  # fmt: skip
    targets, nan = found["train"][0].targets, np.nan
    wanted = np.float32([0.1, 0.2, nan, nan, -0.5, nan, nan])
    np.testing.assert_allclose(targets["values"][:, 0], wanted)
    assert np.isnan(targets["values"][:, 1]).all()
    np.testing.assert_allclose(targets["values_time"], np.arange(7) + 0.5)
    assert np.isnan(found["test"][1].targets["values"]).all()
    assert "MEDIAEVAL18_00: no second has a arousal" in made.notes


def test_a_second_that_is_none_is_named(tmp_path):
    path = tmp_path / "a_Valence.txt"
    for line in ("1.5 0.2", "x 0.2", "-1 0.2", "3"):
        path.write_text(f"0 0.1 0\n{line}\n")
        with pytest.raises(UserError, match="is no second.*line 2"):
            liris_films._curve(path)


@pytest.mark.parametrize("task", ["2015", "2016", "2018"])
def test_missing_tables_are_named_with_their_home(task, tmp_path):
    videos = empty(tmp_path / "v", "a.mp4")
    with pytest.raises(UserError, match="missing.*liris-accede.ec-lyon.fr"):
        plan("liris_accede", videos, tmp_path, task=task)


def test_a_description_with_entities_is_refused(liris):
    notes, videos = liris
    (notes / "ACCEDEdescription.xml").write_text(
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><library>&b;</library>'
    )
    with pytest.raises(UserError, match="declares entities"):
        plan("liris_accede", videos, notes)


# --- videos with comments


def talk(times, words):
    """One comment at each time."""
    times = np.array(times, np.float32)
    return Said(times, [[w, "the", "scene"] for w in words], [[True, False, False]] * len(times),
                times, {})  # fmt: skip


@pytest.fixture
def talked(tmp_path):
    """Twelve films; in the even ones all are glad, in the odd ones sad."""
    root = empty(tmp_path, *[f"f{i:02d}.mp4" for i in range(12)])
    for i in range(12):
        making.comments(root / f"f{i:02d}.xml", [1.0])
    times = np.arange(0.5, 120, 2.0)
    said = {f"f{i:02d}": talk(times, ["sad" if i % 2 else "happy"] * 60) for i in range(12)}
    return root, said


def test_the_most_positive_and_negative_clips_are_taken_and_sources_stay_whole(talked):
    root, said = talked
    found = clips(plan("video_tsc", root, select=9), 120.0, said)
    kept = [clip for each in found.values() for clip in each]
    glad = [clip for clip in kept if int(clip.source[1:]) % 2 == 0]
    assert len(kept) == 18 and len(glad) == 9
    sides = collections.defaultdict(set)
    for split, each in found.items():
        for clip in each:
            sides[clip.source].add(split)
    assert all(len(side) == 1 for side in sides.values())
    everything = [c for each in clips(plan("video_tsc", root, select=0), 120.0, said).values()
                  for c in each]  # fmt: skip
    assert len(everything) == 48 and len({clip.id for clip in everything}) == 48
    for source in said:
        spans = sorted((c.start, c.end) for c in everything if c.source == source)
        assert spans[0][0] == 0 and spans[-1][1] == 120
        assert all(a[1] == b[0] for a, b in zip(spans, spans[1:]))


def test_a_table_beside_the_videos_says_the_splits(talked):
    root, said = talked
    rows = [f"f{i:02d}.mp4,{'test' if i in (3, 8) else 'train'}" for i in range(12)]
    (root / "clips.csv").write_text("\n".join(["video,split", *rows]))
    found = clips(plan("video_tsc", root, select=0), 120.0, said)
    assert {c.source for c in found["test"]} == {"f03", "f08"}
    empty(root, "f00.mkv")  # comes first by its name, but the table says f00.mp4
    assert plan("video_tsc", root).sources[0].video == str(root / "f00.mp4")
    (root / "clips.csv").write_text("video,split\nf00.mp4,train\nf00.mp4,test\n")
    with pytest.raises(UserError, match="f00 is of two splits"):
        clips(plan("video_tsc", root), 120.0, said)


def test_too_few_sources_cannot_be_split(talked):
    root, said = talked
    with pytest.raises(UserError, match="1 sources give no train and test"):
        clips(plan("video_tsc", root), 120.0, said, missing=list(said)[1:])


def test_emotions_of_comments_become_distributions(talked):
    """By hand: window 0 has six comments, five of them glad; window 1 has four, and is masked."""
    root, said = talked
    words = [*["happy"] * 5, "angry", *["sad"] * 4]
    said = dict.fromkeys(said, talk([0, 1, 1, 2, 3, 4.9, 5, 6, 7, 8], words))
    made = plan("danmaku_ldl", root)
    found = clips(made, 12.0, said)
    assert {s: len(each) for s, each in found.items()} == {"train": 10, "validation": 1, "test": 1}
    names = made.spec["distribution_names"]
    target = found["train"][0].targets
    row = dict(zip(names, target["distribution"][0].tolist()))
    assert row["joy"] == pytest.approx(5 / 6) and row["disgust"] == pytest.approx(1 / 6)
    assert np.isnan(target["distribution"][1:]).all()
    np.testing.assert_array_equal(target["distribution_time"], [2.5, 7.5, 12.5])
    assert "the lexicon's class 'tenderness' is none of the emotions" in made.notes


def test_a_split_without_a_window_of_enough_comments_is_refused(talked):
    root, said = talked
    made = plan("danmaku_ldl", root)
    full = dict.fromkeys(said, talk([0, 1, 2, 3, 4], ["happy"] * 5))
    alone = clips(made, 12.0, full)["test"][0].source
    few = {**full, alone: talk([0, 1, 2, 3], ["happy"] * 4)}
    with pytest.raises(UserError, match=r"split 'test' \(1 video\) has 5 counted .* least"):
        clips(made, 12.0, few)
    assert clips(plan("danmaku_ldl", root, least=4), 12.0, few)["test"][0].source == alone


def test_comments_are_found_beside_the_videos_or_in_their_folder(tmp_path):
    videos = empty(tmp_path / "v", "a/x.mp4", "b/x.mp4", "c/y.mkv", "z.mp4")
    said = tmp_path / "c"
    for name in ("a/x.xml", "y.danmaku.xml", "z.json", "w/x.csv"):
        (said / name).parent.mkdir(parents=True, exist_ok=True)
        (said / name).write_text("")
    found = find.comments(find.videos(videos), said)
    assert {name: str(path.relative_to(said)) for name, path in found.items()} == {
        "a/x": "a/x.xml", "c/y": "y.danmaku.xml", "z": "z.json",
    }  # fmt: skip


def test_of_two_endings_the_one_that_the_table_names_is_taken(tmp_path):
    videos = empty(tmp_path, "z.mkv", "z.mp4", "y.mkv", "y.mp4")
    (videos / "clips.csv").write_text("video,label\nz.mp4,joy\ny,fear\n")
    found = {source.name: source.video for source in plan("labelled", videos).sources}
    assert pathlib.Path(found["z"]).name == "z.mp4" and pathlib.Path(found["y"]).suffix == ".mkv"
