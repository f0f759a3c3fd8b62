"""Labelled comments from files of any kind become a corpus: labels, splits, groups, and faults."""

import collections
import json

import numpy as np
import pytest

from affectjax.data import records
from affectjax.data.comment_targets import text as text_of
from affectjax.errors import BAD_INPUT, COMPLETE, UserError
from data_prep import build
from data_prep.labelling import corpus, texts

LINES = [f"{label}\t{label} {i}" for i in range(10) for label in ("happiness", "anger", "none")]


def options(**changes):
    return {**corpus.OPTIONS, **changes}


def rows_of(tmp_path, text, name="c.csv", encoding="utf-8", **more):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return texts.rows(path, **more)


def all_records(folder):
    dataset = records.open_dataset(folder)
    return dataset, {
        name: [source[i] for i in range(len(source))]
        for name in dataset.splits
        for source in [dataset.split(name)]
    }


def test_the_command_from_lines_to_records(tmp_path, capsys):
    (tmp_path / "said.txt").write_text("\n".join(LINES), encoding="utf-8")
    words = ["comment_corpus", f"--comments={tmp_path}/said.txt", f"--out={tmp_path}/out"]
    rule = '--options={"labels": {"happiness": "joy", "anger": "disgust"}, "split": "order"}'
    assert build.main([*words, rule]) == COMPLETE
    assert "made" in capsys.readouterr().out
    dataset, found = all_records(tmp_path / "out")
    assert dataset.spec.value_names == ("disgust", "joy")
    assert {name: len(each) for name, each in found.items()} == {
        "train": 24, "validation": 3, "test": 3,
    }  # fmt: skip
    assert [text_of(r) for r in found["test"]] == ["happiness 9", "anger 9", "none 9"]
    assert [r["values"][0].tolist() for r in found["test"]] == [[0, 1], [1, 0], [0, 0]]
    assert build.main([*words, rule]) == COMPLETE
    assert "already there" in capsys.readouterr().out
    assert build.main([*words, rule.replace('"order"', '"random"')]) == BAD_INPUT
    assert "Another dataset stands there" in capsys.readouterr().err


def test_a_table_of_labels_or_of_a_column_an_emotion(tmp_path):
    rows, _ = rows_of(tmp_path, 'id;text;label\na;"so; good";joy|like\nb;meh;none\n')
    assert [(r.id, r.text, r.labels) for r in rows] == [
        ("a", "so; good", ("joy", "like")), ("b", "meh", ("none",)),
    ]  # fmt: skip
    table = corpus.values(rows, ["joy", "like", "fear"], options())
    assert table.tolist() == [[1, 1, 0], [0, 0, 0]]
    rows, _ = rows_of(tmp_path, "text\tjoy\tfear\tsplit\nha\t1\t\ttrain\nno\t0\t1\ttest\n")
    table = corpus.values(rows, ["joy", "fear"], options())
    np.testing.assert_array_equal(table, [[1, np.nan], [0, 1]])
    assert corpus.divide(rows, options()) == ["train", "test"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_other_encodings(tmp_path, encoding):
    rows, _ = rows_of(tmp_path, "喜欢\t太好看了\n没有\t今天天气\n" * 8, "x.txt", encoding)
    assert rows[0].labels == ("喜欢",) and rows[0].text == "太好看了" and len(rows) == 16


def test_comments_of_a_site_have_no_labels_yet(tmp_path):
    xml = "<i><d p='1.5,1,25,0,0,0,0,1'>哈哈</d><d p='2,1,25,0,0,0,0,2'>wow</d></i>"
    rows, _ = rows_of(tmp_path, xml, "clip.xml")
    assert [(r.id, r.text, r.labels) for r in rows] == [
        ("clip/0", "哈哈", None), ("clip/1", "wow", None),
    ]  # fmt: skip
    found, _ = texts.rows(tmp_path)
    assert found == rows


def test_a_folder_names_comments_by_their_paths_and_skips_what_holds_none(tmp_path, capsys):
    xml = "<i><d p='1,1,25,0,0,0,0,1'>ha</d></i>"
    for name in ("s1/ep1.xml", "s2/ep1.xml", "s2/ep1.csv", "s2/ep2.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("time,text\n1,so\n" if name.endswith(".csv") else xml)
    for name in ("s1/ep1.info.json", "s2/ep2.json"):
        (tmp_path / name).write_text('{"title": "a film"}')
    (tmp_path / "clips.csv").write_text("video,split\ns1/ep1,train\n")
    found, _ = texts.rows(tmp_path)
    assert [(row.id, row.group) for row in corpus.unique(found)] == [
        ("s1/ep1/0", "s1/ep1"), ("s2/ep1/0", ""), ("s2/ep1.xml/0", "s2/ep1.xml"),
        ("s2/ep2/0", "s2/ep2"),
    ]  # fmt: skip
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "3 without comments (clips.csv, s1/ep1.info.json" in said
    with pytest.raises(UserError, match="holds no comments"):
        texts.rows(tmp_path / "s1/ep1.info.json")
    (tmp_path / "s1/bad.csv").write_text("text,label\na\n")
    with pytest.raises(UserError, match="1 cells, the header 2"):
        texts.rows(tmp_path)


def test_a_folder_of_other_files_is_no_folder_of_comments(tmp_path):
    (tmp_path / "ep1.info.json").write_text('{"title": "a film"}')
    with pytest.raises(UserError, match="no comment file is there"):
        texts.rows(tmp_path)


def test_equal_texts_and_groups_stay_in_one_split():
    rng = np.random.default_rng(0)
    rows = [
        texts.Row(f"{i}", f"Text {rng.integers(60)}", f"g{i // 3}" if i % 2 else "")
        for i in range(200)
    ]
    side = corpus.divide(rows, options())
    assert set(side) == {"train", "validation", "test"}
    for key in (lambda r: r.text, lambda r: r.group or r.id):
        parts = collections.defaultdict(set)
        for row, part in zip(rows, side):
            parts[key(row)].add(part)
        assert all(len(found) == 1 for found in parts.values())


def test_empty_and_endless_texts_are_counted(tmp_path):
    rows, notes = rows_of(tmp_path, f"text,label\n,joy\n{'x' * 3000},joy\nok,joy\n")
    assert [r.text for r in rows] == ["ok"]
    assert notes == {"empty texts": 1, "texts too long": 1}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("text,label\na,jyo\nb,joy\n", "Did you mean 'joy'"),
        ("text,joy\na,yes\n", "'yes' is no mark .*line 2"),
        ("text,label\na\n", "1 cells, the header 2"),
        ("text,label\na, b,joy\n", "3 cells, the header 2"),
        ('text,label\n"a,joy\nb,joy\n', "cannot be read"),
        ("text,text,label\na,b,c\n", "stands twice"),
        ("just a line\n", "no '.t' between label and text .*line 1"),
        ("id,text,label\n1,a,joy\n1,b,joy\n1,c,joy\n", "the id '1' stands 3 times"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, says):
    with pytest.raises(UserError, match=says):
        rows, _ = rows_of(tmp_path, text)
        corpus.values(corpus.unique(rows), ["joy"], options())


@pytest.mark.parametrize(
    "wrong",
    [
        {"emotions": [1]},
        {"labels": {"joy": 5}},
        {"labels": {"joy": ["a", 3]}},
        {"neutral": [["x"]]},
        {"neutral": 5},
        {"separator": ""},
        {"seed": -1},
        {"parts": [float("inf"), 1, 1]},
    ],
)
def test_options_of_the_wrong_kind_are_one_line(tmp_path, capsys, wrong):
    (tmp_path / "c.txt").write_text("joy\ta\nfear\tb\njoy\tc\n")
    words = ["comment_corpus", f"--comments={tmp_path / 'c.txt'}", f"--out={tmp_path / 'out'}"]
    assert build.main([*words, f"--options={json.dumps(wrong)}"]) == BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_file_of_no_known_format_is_named(tmp_path):
    (tmp_path / "c.json").write_text('{"a": 1}')
    with pytest.raises(UserError, match=r"c\.json"):
        texts.rows(tmp_path / "c.json")


def test_options_that_do_not_fit():
    row = [texts.Row("a", "b", labels=("joy",))]
    for changes in ({"split": "odd"}, {"parts": [1, 2]}, {"parts": [1, 1, 0]}):
        with pytest.raises(UserError):
            corpus.divide(row, options(**changes))
    with pytest.raises(UserError, match="no labels"):
        corpus.build([texts.Row("a", "b")], {}, None)
