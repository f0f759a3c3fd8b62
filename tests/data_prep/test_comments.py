"""Comment files of every format are read, told by content; damage is read as far as it goes."""

import gzip
import json
import os
import pickle
import time
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectjax.errors import UserError
from data_prep.comments.read import read
from tests.data_prep import comment_files as files

SORTED = sorted(files.ROWS, key=lambda row: row[0])


def rows(reading):
    return [tuple(comment) for comment in reading.comments]


@pytest.mark.parametrize("name", files.FILES)
def test_every_format_gives_the_same_comments_by_time_and_nothing_of_the_sender(name):
    data = files.as_bytes(files.FILES[name]())
    reading = read(data)
    assert rows(reading) == SORTED
    assert reading.format.split()[0] == name.split()[0]
    assert files.HASH.encode() not in pickle.dumps(reading)
    assert set(reading.notes) <= {"live events left out"}


def test_a_path_is_read_whatever_its_name(tmp_path):
    path = tmp_path / "comments.mp4"
    path.write_text(files.csv(), encoding="utf-8")
    assert rows(read(path)) == rows(read(str(path))) == SORTED
    for missing in (tmp_path / "none.xml", tmp_path, "a\0b"):
        with pytest.raises(UserError):
            read(missing)


@pytest.mark.parametrize(
    "codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "gbk"]
)
@pytest.mark.parametrize("name", ["bilibili xml", "csv", "niconico json"])
def test_encodings_are_told_by_content(name, codec):
    data = files.FILES[name]().encode(codec)
    assert rows(read(data)) == SORTED


def test_a_declared_encoding_is_tried_and_a_damaged_utf8_file_stays_utf8():
    text = files.bilibili([(1, "かわいいですね")]).replace("UTF-8", "Shift_JIS")
    assert rows(read(text.encode("shift_jis"))) == [(1.0, "かわいいですね")]
    many = files.bilibili([(i, "今天真的很感动") for i in range(20)]).encode()
    damaged = read(many.replace("天".encode(), b"\xe5\xa4", 1))
    assert damaged.notes["unreadable bytes"] == 1 and len(damaged.comments) == 20
    assert rows(damaged)[1:] == rows(read(many))[1:]


@pytest.mark.parametrize(
    "data",
    [b"", b" \n", b"\x00" * 50, b"{}", b'{"a": 1}', b"<html><body>no</body></html>", b"a,b\n1,2\n",
     gzip.compress(b"<i></i>", mtime=0), bytes(range(256)), b"PK\x03\x04abc", b"\xff\xfe",
     b'"text"', b"7"],
)  # fmt: skip
def test_what_is_no_comment_file_is_one_clear_error(data):
    with pytest.raises(UserError) as error:
        read(data)
    assert "\n" not in str(error.value) and error.value.mend


def test_a_file_without_comments_is_no_error():
    for data in (b"<i></i>", b"<i/>", b"[]", b"time,text\n", b"<packet></packet>", b"[[],[]]"):
        assert rows(read(data)) == []


def test_a_pipe_or_a_device_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.xml")
    (tmp_path / "link.xml").symlink_to(tmp_path / "pipe.xml")
    for path in (tmp_path / "pipe.xml", tmp_path / "link.xml", "/dev/zero"):
        with pytest.raises(UserError, match="The comment file is no regular file"):
            read(path)


def test_absurd_sizes_are_refused(tmp_path):
    with pytest.raises(UserError, match="more than 100 bytes"):
        read(b"<i>" + b" " * 100, limit=100)
    (tmp_path / "big.xml").write_bytes(b"<i>" + b" " * 100)
    with pytest.raises(UserError, match="more than 100 bytes"):
        read(tmp_path / "big.xml", limit=100)


def test_no_small_file_becomes_endless_comments(monkeypatch):
    monkeypatch.setattr("data_prep.comments.reading.MOST", 3)
    for name in ("bilibili xml", "bilibili protobuf", "csv", "niconico json"):
        assert len(read(files.as_bytes(files.FILES[name](files.ROWS[:3]))).comments) == 3
        with pytest.raises(UserError, match="more than 3 comments"):
            read(files.as_bytes(files.FILES[name]()))


def test_declarations_are_refused_and_no_entity_ever_grows():
    bomb = '<!DOCTYPE i [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><i><d p="1,1,25">&b;</d></i>'
    outside = '<!DOCTYPE i [<!ENTITY a SYSTEM "file:///etc/passwd">]><i><d p="1,1,2">&a;</d></i>'
    for text in (
        bomb,
        outside,
        '<?xml version="1.0"?>' + bomb,
        bomb.replace("DOCTYPE i", "ENTITY"),
    ):
        with pytest.raises(UserError, match="declares"):
            read(text.encode())
    reading = read(b'<i><d p="1,1,25">&b;&amp;amp;</d></i>')
    assert rows(reading) == [(1.0, "&b;&amp;")] and reading.notes == {"bare &": 1}


PLAIN = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Cn"), blacklist_characters="\ufffe\uffff"),
    max_size=12,
)


@given(st.lists(st.tuples(st.floats(0, 1e4), PLAIN, st.integers(0, 3)), max_size=12))
def test_a_well_formed_file_gives_what_a_strict_parser_gives(comments):
    parts = ["<?xml version='1.0'?><!-- <d p='9,1,1'>no</d> --><i><source>k-v</source>"]
    for t, text, form in comments:
        attributes = f'p="{t},1,25,1,1,0,ab,1"'
        if form == 1:
            attributes = f"user='a&gt;\"b' p = '{t},1,25'  x=\"'\""
        if form == 2:
            text = text.replace("]]>", "")
            parts.append(f"<d {attributes}><![CDATA[{text}]]></d >")
        else:
            parts.append(f"<d {attributes}\n>{escape(text)}</d>" if form else
                         f"<d {attributes}>{escape(text)}</d>")  # fmt: skip
    document = "".join([*parts, "<d p='0,1,25'/></i>"])
    wanted = [
        (float(d.attrib["p"].split(",")[0]), " ".join((d.text or "").split()).replace("/n", "\n"))
        for d in ElementTree.fromstring(document).iter("d")
    ]
    reading = read(document.encode())
    found = [(t, text) for t, text in rows(reading)]
    wanted = [(t, text) for t, text in sorted(wanted, key=lambda row: row[0])]
    assert [t for t, _ in found] == [t for t, _ in wanted]
    if "/n" not in document:
        assert [x for _, x in found] == [x for _, x in wanted]
    assert not reading.notes


@pytest.mark.parametrize(
    "body, texts, note",
    [
        ("<d p='1,1,2'>a & b</d><d p='2,1,2'>&#65;&#x42;&lt;</d>", ["a & b", "AB<"], "bare &"),
        ('<d p="1,1,2">I <3 you</d><d p="2,1,2">b</d>', ["I <3 you", "b"], "bare <"),
        ('<d p="1,1,2">a<d p="2,1,2">b</d>', ["a", "b"], "unclosed element"),
        ('<d p="1,1,2"a</d><d p="2,1,2">b</d>', ["a", "b"], "damaged start tag"),
        ('<d p="1,1,2>lost</d><d p="2,1,2">b</d>', ["b"], "damaged start tag"),
        ('<d p="1,1,2" user=name>lost</d><d p="2,1,2">b</d>', ["b"], "damaged start tag"),
        ('<d p="1,1,2">a\x00\x0b\x1f\x7fb</d>', ["ab"], "control characters"),
        ('<d p="x,1,2">a</d><d p="2,1,2">b</d>', ["b"], "unreadable time"),
        ('<d p="nan,1,2">a</d><d p="2,1,2">b</d>', ["b"], "unreadable time"),
        ('<d p="-1,1,2">a</d><d p="2,1,2">b</d>', ["b"], "time out of range"),
        ('<d p="1e999,1,2">a</d><d p="2,1,2">b</d>', ["b"], "time out of range"),
        ('<d p="1,x,2">a</d><d p="2,1,2">b</d>', ["b"], "unreadable mode"),
        ('<d>a</d><d p="2,1,2">b</d>', ["b"], None),
        ("<d a='' p='1,1,2'>a</d><d p=\"2,1,2\">b</d><d p='3,1,2'>c</d>", ["a", "b", "c"], None),
        ('<d p="1,8,2">function f(){}</d><d p="2,9,2">def text</d>', [], "program comments"),
        ('<d p="1,1,2">&#55296;&#0;a</d>', ["a"], "control characters"),
    ],
)
def test_damage_is_mended_and_counted(body, texts, note):
    reading = read(f"<i>{body}</i>".encode())
    assert [text for _, text in rows(reading)] == texts
    assert note is None or reading.notes[note] >= 1


@pytest.mark.parametrize("cut", range(60, 400, 7))
def test_a_file_cut_anywhere_gives_all_that_stands_before_the_cut(cut):
    whole = files.bilibili([(i, "今天真的很感动") for i in range(5)]).encode()
    reading = read(whole[:cut])
    complete = whole[:cut].count(b"</d>")
    assert complete <= len(reading.comments) <= complete + 1
    assert reading.notes["cut off"] == 1
    assert {text for _, text in rows(reading)[:complete]} <= {"今天真的很感动"}


def test_several_roots_are_read_on():
    reading = read(("<danuni><x>1</x></danuni>" + files.bilibili()).encode())
    assert rows(reading) == SORTED and reading.notes == {"several roots": 1}
    assert not read(files.bilibili().encode() + b"\n").notes


def test_advanced_comments_are_reduced_to_their_words():
    words = ['["0","0","1-1","4","第一行/n第二行and/nmore","0","0"]', '["0","0"]', "no array",
             "[" * 100_000, '{"a":1}', '["0","0","1-1","4",7]']  # fmt: skip
    reading = read(files.bilibili([(i, x) for i, x in enumerate(words)], mode=7).encode())
    assert rows(reading) == [(0.0, "第一行 第二行and more")]
    assert reading.notes["program comments"] == 5
    mixed = files.bilibili([(1, "词/n行 and/not")]).encode()
    assert rows(read(mixed)) == [(1.0, "词 行 and/not")]
    data = files.protobuf([(1, words[0])], mode=7)
    assert rows(read(data)) == [(1.0, "第一行 第二行and more")]


def test_acfun_programs_hold_their_words_under_n():
    made = [{"c": "1.5,1,7,25,u,1", "m": json.dumps({"n": "早上好", "p": {"x": 1}})},
            {"c": "2,1,7,25,u,1", "m": json.dumps({"p": {}})},
            {"c": "3,1,1,25,u,1", "m": "1"}]  # fmt: skip
    reading = read(json.dumps([[], made]).encode())
    assert rows(reading) == [(1.5, "早上好"), (3.0, "1")]
    assert reading.notes["program comments"] == 1


def test_protobuf_bytes_of_the_real_library_and_cut_or_damaged_ones():
    pytest.importorskip("google.protobuf")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="dm.proto", package="dm", syntax="proto3")
    element = file.message_type.add(name="Elem")
    kinds = {"int64": 3, "int32": 5, "uint32": 13, "string": 9}
    fields = "id:int64 progress:int32 mode:int32 fontsize:int32 color:uint32 midHash:string "
    fields += "content:string ctime:int64 weight:int32 action:string pool:int32 idStr:string"
    for number, text in enumerate(fields.split(), 1):
        name, kind = text.split(":")
        element.field.add(name=name, number=number, type=kinds[kind], label=1)
    reply = file.message_type.add(name="Reply")
    reply.field.add(name="elems", number=1, type=11, label=3, type_name=".dm.Elem")
    reply.field.add(name="state", number=2, type=5, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    Reply = message_factory.GetMessageClass(pool.FindMessageTypeByName("dm.Reply"))
    message = Reply(state=3)
    for i in range(30):
        message.elems.add(id=2**40 + i, progress=-5 if i == 3 else i * 500, mode=1, color=2**31,
                          midHash=files.HASH, content=f"第{i}条", ctime=1626077354)  # fmt: skip
    data = message.SerializeToString()
    reading = read(data)
    wanted = [(i * 0.5, f"第{i}条") for i in range(30) if i != 3]
    assert rows(reading) == wanted and reading.notes == {"time out of range": 1}
    assert rows(read(data + data)) == [row for row in wanted for _ in range(2)]  # two segments
    for cut in range(40, len(data) - 40, 97):
        part = read(data[:cut])
        assert rows(part) == wanted[: len(part.comments)] and part.notes["cut off"] <= 1


def test_json_is_read_as_far_as_it_goes():
    many = [(float(i), f"text {i}") for i in range(40)]
    for name in ("niconico json", "acfun json", "niconico threads", "niconico chats"):
        whole = files.FILES[name](many)
        part = read(whole[: len(whole) * 2 // 3].encode())
        assert 24 <= len(part.comments) <= 27 and rows(part) == many[: len(part.comments)]
        assert part.notes["cut off or damaged JSON"] == 1
        holed = read(whole.replace('"text 7"', '"text " 7"').encode())
        assert rows(holed) == [row for row in many if row[0] != 7]
        assert holed.notes["damaged objects"] >= 1
    lines = read((files.json_lines(many) + '{"time": NaN, "text": "x"}\n{"time": 1').encode())
    assert rows(lines) == many
    half = read(b'[{"vpos": 1, "content": "a\\ud800b\\u0000"}]')
    assert rows(half) == [(0.01, "ab")]
    assert half.notes == {"half characters": 1, "control characters": 1}


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b"<d " * 300_000,
        b"<!--" * 300_000,
        b"<d p='" * 200_000,
        b"<i>" + b"<d p='1,1,1'>" * 100_000,
        b'<d p="1" ' + b'a="b" ' * 200_000,
        b'{"' * 300_000,
        b'[{"vpos": 1' + b"0" * 1_000_000 + b"}]",
        b"\n\x08\x08\x01" * 100_000,
        b'time,text\n1,"' * 60_000,
        b"<i><d p='1,1,1'>" + b"&" * 1_000_000,
        b"<![CDATA[" * 100_000,
        b'[{"c": "1,' * 100_000,
        b"<i>" + b'<d p="12.5">text</d>' * 100_000,
        b'time,text\n1,"\n' + b"2,x\n" * 300_000,
    ],
    ids=range(16),
)
def test_hostile_files_end_soon(data):
    start = time.process_time()
    try:
        read(data)
    except UserError:
        pass
    assert time.process_time() - start < 5


def test_tables_say_which_rows_are_damaged():
    reading = read(b'"Text";"x";"Time"\r\n"a ""b""";1;2.5\r\nlost\r\n\r\nc;1;1\r\nd;1;soon')
    assert rows(reading) == [(1.0, "c"), (2.5, 'a "b"')]
    assert reading.notes == {"damaged rows": 1, "unreadable time": 1}


def table(count, separator, **others):
    """Rows of a table; `t7` gives the text at second 7 as it is written."""
    lines = [f"{i}{separator}{others.get(f't{i}', f'text {i}')}" for i in range(count)]
    return "\n".join([f"time{separator}text", *lines, ""]).encode()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "others",
    [{"t7": '"wow'}, {"t7": '"'}, {"t7": '"wow" he said'}, {"t7": '"wow', "t30": 'so"'},
     {"t7": '"wow', "t8": 'so"'}, {"t7": '"', "t8": '"'}, {"t49": '"wow'}],
)  # fmt: skip
def test_a_stray_quote_swallows_nothing(separator, others):
    reading = read(table(50, separator, **others))
    assert len(reading.comments) == 50 and 1 <= reading.notes["stray quotes"] <= len(others)
    where, what = next(iter(others.items()))
    assert reading.comments[int(where[1:])].text == what


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_that_are_quoted_as_they_should_be_read_as_before(separator):
    texts = {
        "t1": f'"a{separator}b"',
        "t2": '"so ""good"""',
        "t3": '"two\nlines\n3 of"',
        "t4": '""',
    }
    reading = read(table(9, separator, **texts))
    assert not reading.notes and [text for _, text in rows(reading)[:5]] == [
        "text 0", " ".join(f"a{separator}b".split()), 'so "good"', "two lines 3 of", "",
    ]  # fmt: skip


def test_one_stray_quote_costs_no_other_row_its_lines():
    reading = read(b'time,text\n1,"a\nb"\n2,"x" y\n3,"c\nd"\n4,e\n')
    assert rows(reading) == [(1.0, "a b"), (2.0, '"x" y'), (3.0, "c d"), (4.0, "e")]
    assert reading.notes == {"stray quotes": 1}


def test_empty_cells_behind_the_text_are_nothing():
    reading = read(b"time,text\n1,hi,\n2,ho,,\n")
    assert rows(reading) == [(1.0, "hi"), (2.0, "ho")] and not reading.notes


def test_separators_in_a_text_without_quotes_belong_to_it_or_are_counted():
    reading = read(b"time,text\n1,hello, world\n2,x\n")
    assert rows(reading) == [(1.0, "hello, world"), (2.0, "x")]
    assert reading.notes == {"unquoted separators": 1}
    reading = read(b"text,time\nhello, 5,1\nx,2\ny,3,\n")
    assert rows(reading) == [(2.0, "x"), (3.0, "y")] and reading.notes == {"damaged rows": 1}


def test_comments_are_a_sequence():
    comments = read(files.csv().encode()).comments
    assert len(comments) == 4 and comments[-1].text == "今天真的很感动"
    assert comments[1:3][0].time == 1.25 and [c.time for c in comments][0] == 0.0
