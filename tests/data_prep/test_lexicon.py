"""Lexicon files of every kind with their traps, and entries found in words."""

import os
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax.data import sample_world
from affectjax.errors import UserError
from data_prep.lexicon import build, load

HEADER = "词语, 词性种类, 词义数, 词义序号, 情感分类, 强度, 极性, 辅助情感分类, 强度, 极性,"
# Rows of our own in the real file's layout, a trap in each.
ROWS = [
    "脏乱, adj, 1, 1, NN, 7, 2, , , ,",
    "气愤, adj, 1, 1, NA, 4, 2, ND, 3, 2,",  # NA is a class, not a missing value
    "欢喜　, adj, 1, 1, PA, 5, 1, PE, 3, 1,",  # an ideographic space
    "欢喜  , verb, 2, 2, PB, 5, 1, , , ,",  # repeated after stripping
    "一来,二去, idiom, 1, 1, PC, 9, 3, , , ,",  # a field too many, and polarity 3
    "愁苦, adj, 1, 1, NB, 6, 2, , , , , 7",  # a field too many at the end
    "担忧, verb, 1, 1, NI, 10, 7, , , ,",  # intensity 10, polarity 7
    ", noun, 1, 1, PH, 5, 1, , , ,",
    "空行, noun, 1, 1, , , , , , ,",
]
WANTED = {
    "脏乱": ("disgust",),
    "气愤": ("anger", "disgust"),
    "欢喜": ("joy", "like"),
    "一来二去": ("surprise",),
    "愁苦": ("sadness",),
    "担忧": ("fear",),
}


def check_dutir(lexicon):
    assert lexicon.emotions == WANTED
    assert [lexicon.polarity(w) for w in WANTED] == [-1, -1, 1, 0, -1, 0]
    assert lexicon.notes["repeated words"] == 1
    assert lexicon.notes["stripped words"] >= 1
    assert lexicon.notes["polarity neither 0, 1 nor 2"] == 2
    assert lexicon.notes["rows with a field too many"] == 2
    assert lexicon.notes["empty words"] == 1
    assert lexicon.notes["rows without a class"] == 1


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_dutir_as_csv_with_its_traps(tmp_path, codec, end):
    path = tmp_path / "words.any"
    path.write_bytes(end.join([HEADER, *ROWS]).encode(codec))
    check_dutir(load(path))


@pytest.mark.parametrize("separator", ["\t", ";"])
def test_dutir_parted_by_something_else(tmp_path, separator):
    path = tmp_path / "words.txt"
    rows = [HEADER, *(row for row in ROWS if "一来" not in row)]
    path.write_text("\n".join(row.replace(", ", separator) for row in rows), encoding="utf-8")
    found = load(path)
    assert found.emotions == {word: names for word, names in WANTED.items() if word != "一来二去"}
    assert found.told() == "DUTIR table: 5 emotional entries, 6 classes"


def test_dutir_as_xlsx(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for line in [HEADER, *ROWS]:
        # numbers as a workbook holds them, and nothing for empty cells
        cells = [cell.lstrip(" ") for cell in line.split(",")]
        book.active.append([int(c) if c.isdecimal() else c or None for c in cells])
    path = tmp_path / "words.xlsx"
    book.save(path)
    lexicon = load(path)
    check_dutir(lexicon)
    csv = tmp_path / "words.csv"
    csv.write_text("\n".join([HEADER, *ROWS]), encoding="utf-8")
    assert load(csv).digest == lexicon.digest


def test_every_class_of_dutir_has_its_emotion(tmp_path):
    codes = "PA PE PD PH PG PB PK NA NB NJ NH PF NI NC NG NE ND NN NK NL PC".split()
    rows = [f"词{chr(0x4E00 + i)}, noun, 1, 1, {c}, 5, 0, , , ," for i, c in enumerate(codes)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    names = [names for names in load(path).emotions.values()]
    counts = {n: names.count((n,)) for n in load(path).classes}
    assert counts == {"joy": 2, "like": 5, "anger": 1, "sadness": 4, "fear": 3, "disgust": 5,
                      "surprise": 1}  # fmt: skip


def test_nrc_lists_long_and_wide(tmp_path):
    table = {"abandon": ("fear", "negative", "sadness"), "kudos": ("joy", "positive"), "aback": (),
             "able": ("positive",)}  # fmt: skip
    names = ["anger", "anticipation", "disgust", "fear", "joy", "negative", "positive", "sadness",
             "surprise", "trust"]  # fmt: skip
    long = "".join(f"{w}\t{n}\t{int(n in found)}\n" for w, found in table.items() for n in names)
    (tmp_path / "long.txt").write_text("\n\n" + long)
    for separator in ",\t;":
        (tmp_path / "long.txt").write_text("\n\n" + long.replace("\t", separator))
        rows = [["English Word", *names]]
        rows += [[w, *(str(int(n in found)) for n in names)] for w, found in table.items()]
        (tmp_path / "wide.csv").write_text("\n".join(map(separator.join, rows)))
        long_, wide = load(tmp_path / "long.txt"), load(tmp_path / "wide.csv")
        assert long_.digest == wide.digest
        assert (long_.kind, wide.kind) == ("NRC list", "NRC table")
    assert wide.emotions == {"abandon": ("fear", "sadness"), "kudos": ("joy",)}
    assert [wide.polarity(w) for w in table] == [-1, 1, 0, 1]
    assert wide.mark(["able", "kudos"]) == [False, True]


def test_a_plain_list_and_the_sample(tmp_path):
    (tmp_path / "plain.txt").write_text("Happy\n broken heart \n\nhappy\n")
    plain = load(tmp_path / "plain.txt")
    assert plain.emotions == {"happy": ("emotional",), "broken heart": ("emotional",)}
    assert plain.told() == "plain list: 2 emotional entries, 1 class"
    (tmp_path / "plain.txt").write_text("; words, by us; 2020\n;\nhappy\t\n come, what may\n sad\n")
    found = load(tmp_path / "plain.txt")
    assert len(found) == 3 and {"happy", "sad"} < set(found.emotions)
    assert found.notes["remarks"] == 2
    sample = load("sample")
    assert sample.emotions == {w: tuple(sorted(n)) for w, n in sample_world.lexicon().items()}
    assert sample.polarity("sad") == -1 and sample.polarity("wow") == sample.polarity("happy") == 1
    assert set(sample.classes) == set(sample_world.EMOTIONS)


@pytest.mark.parametrize(
    "data,why",
    [
        (b"", "no words"),
        (b"\n \n", "no words"),
        (b"; only a remark\n", "no words"),
        (b"PK\x03\x04 broken", "workbook"),
        (b"\x7fELF\x02\x01\0\0" + bytes(range(256)) * 9, "a binary file"),
        (b"RIFF\x24\x9c\0\0AVI LIST", "a binary file"),
        (b"\xff\xfe\0\0" + "happy\nsad\n".encode("utf-32-le"), "a binary file"),
        (b"\x1f\x8b\x08\x08" + bytes(range(1, 256)) * 9, "a binary file"),
        (b"word\tscore\nhappy\t0.9\n", "neither a table of known columns nor a plain list"),
        (b"happy\nsad;0.9\n", r"nor a plain list: 'sad;0.9' \(.*x\)"),
        (b"word,score\nhappy,0.9\nsad,0.1\n", "table of unknown columns: 'word,score'"),
        (b'a,"' + b"long " * 40_000, "cannot be read: field larger"),
    ],
)
def test_what_is_no_lexicon_is_named(tmp_path, data, why):
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(UserError, match=why):
        load(path)
    with pytest.raises(UserError):
        load(tmp_path / "missing")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="The lexicon is no regular file"):
        load(tmp_path / "pipe")


ENTRIES = ["a", "ab", "abc", "b c", "c d e", "cd", "e", "心", "心花", "心花怒放", "放"]
LEXICON = build([(e, ("x",), None) for e in ENTRIES])


def spelled(run):
    out = run[0]
    for left, right in zip(run, run[1:]):
        if right.startswith("##"):
            out += right[2:]
        else:
            out += (" " if left[-1] < "\u2e80" and right[0] < "\u2e80" else "") + right
    return out


TOKENS = st.sampled_from("a ab b c d e cd ##b ##c 心 花 怒 放 心花 怒放 x".split())


@given(st.lists(TOKENS, max_size=9))
def test_find_takes_the_longest_run_from_the_left(words):
    wanted, at = [], 0
    while at < len(words):
        stops = [s for s in range(len(words), at, -1) if spelled(words[at:s]) in ENTRIES]
        if stops:
            wanted.append((at, stops[0], spelled(words[at : stops[0]])))
        at = stops[0] if stops else at + 1
    assert LEXICON.find(words) == wanted
    marks = [any(a <= i < b for a, b, _ in wanted) for i in range(len(words))]
    assert LEXICON.mark(words) == (marks if any(marks) else [])


@given(st.lists(st.lists(TOKENS, max_size=6), max_size=5))
def test_a_text_that_may_hold_nothing_holds_nothing_however_it_is_cut(texts):
    squeezed = ["".join(word.removeprefix("##") for word in words) for words in texts]
    may = LEXICON.may_hold(squeezed)
    assert may.shape == (len(texts),)
    for words, hope in zip(texts, may):
        assert hope or not LEXICON.mark(words)


def test_most_texts_without_an_entry_are_told_at_once():
    draw = random.Random(0)
    letters = [chr(0x4E00 + i) for i in range(3000)]
    entries = {"".join(draw.choices(letters, k=2)) for _ in range(20_000)}
    lexicon = build([(entry, ("x",), None) for entry in entries])
    texts = ["".join(draw.choices(letters, k=10)) for _ in range(500)]
    wanted = [any(t[i : i + 2] in entries for i in range(9)) for t in texts]
    may = lexicon.may_hold(texts)
    assert not (~may & wanted).any() and may.mean() < np.mean(wanted) + 0.15
