"""Speed of reading and cleaning comments beside a bare ElementTree loop over the same file.

`python -m tests.benchmarks.cleaning [FILE]` takes a comment file, or writes one of invented Chinese
comments, times both in alternating rounds, and prints the median of the ratios of neighbours; a
ratio of 0.5 means half the loop's speed. The loop parses the file and takes the time and the text
of every element. Words are cut beforehand for the rules, and cutting is timed on its own.
"""

import argparse
import pathlib
import random
import statistics
import tempfile
import time
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from data_prep.comments.clean import Rules, clean
from data_prep.comments.read import read
from data_prep.comments.tokenise import tokeniser
from data_prep.lexicon import Lexicon, build, load

PLAIN = (
    "今天 这个 视频 真的 大家 我们 一起 音乐 画面 声音 看到 这里 "
    "那里 的 了 是 在 啊 吧 吗 啦 和 就 都 "
    "也 很 有点 前面 后面 弹幕 主角 朋友 故事 结局 开始 原来 "
    "如此 不要 为什么 第一次 时候 什么 怎么 知道 已经 还是 一个 没有 "
    "觉得 出来 起来 字幕 歌词 背景 名字 进度条 打卡 前方 高能 路过 "
    "银杏叶 作者 导演 演员 游戏"
).split()
EMOTIONAL = (
    "好看 感动 哭了 太棒了 开心 害怕 可怕 难过 喜欢 讨厌 生气 惊讶 眼泪 笑死 心疼 温柔 加油 期待"
).split()
ENDS = ("",) * 7 + ("！", "~", "。。。", "？？", "2333", "(´・ω・`)", "……", "www", "3333")
ENTRIES = 27_466  # words of the lexicon that the paper names


def invented(count: int) -> str:
    """A file of nine fields, unsorted, a third of its texts repeated, some with dirt."""
    draw = random.Random(0)
    texts, rows = [], []
    for i in range(count):
        if texts and draw.random() < 0.33:
            text = draw.choice(texts)
        else:
            words = draw.choices(PLAIN, k=draw.choice((1, 1, 2, 2, 3, 3, 4, 5, 6, 8)))
            if draw.random() < 0.25:
                words[draw.randrange(len(words))] = draw.choice(EMOTIONAL)
            text = "".join(words) + draw.choice(ENDS)
            texts.append(text)
        p = (f"{draw.uniform(0, 1400):.5f},{draw.choice((1, 1, 1, 4, 5))},25,16777215,"
             f"{1626000000 + i},0,{draw.getrandbits(32):x},{draw.getrandbits(60)},{draw.randint(0, 10)}")  # fmt: skip  # noqa: E501
        rows.append(f'<d p="{p}">{escape(text)}</d>')
    return '<?xml version="1.0" encoding="UTF-8"?><i><chatid>1</chatid>' + "".join(rows) + "</i>"


def bare_loop(path: str) -> list[tuple[float, str]]:
    found = []
    for element in ElementTree.parse(path).getroot().iter("d"):
        found.append((float(element.attrib["p"].split(",")[0]), element.text))
    return found


def timed(function, *arguments) -> float:
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def lexicon_of(path: str | None) -> Lexicon:
    """A file's, or the emotional words of the invented comments among random entries."""
    if path:
        return load(path)
    draw = random.Random(1)
    letters = [chr(0x4E00 + i) for i in range(2500)]
    entries = {
        "".join(draw.choices(letters, k=draw.choice((2, 2, 2, 3, 4)))) for _ in range(ENTRIES)
    }
    return build([(word, ("emotional",), 0) for word in (*EMOTIONAL, *sorted(entries))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", help="a comment file; without it one is invented")
    parser.add_argument("--comments", type=int, default=20_000, help="in the invented file")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--lexicon", help="a lexicon file; without it one of the paper's size, invented"
    )
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = a.file
        if not path:
            path = str(pathlib.Path(folder) / "invented.xml")
            pathlib.Path(path).write_text(invented(a.comments), encoding="utf-8")
        report(path, lexicon_of(a.lexicon), a.rounds)


def report(path: str, lexicon: Lexicon, rounds: int) -> None:
    jieba = tokeniser("jieba")
    rules, cut = Rules(), {}

    def remember(text: str) -> list[str]:
        if text not in cut:
            cut[text] = jieba(text)
        return cut[text]

    def parse_and_clean(tokenise) -> None:
        clean(read(path).comments, rules, tokenise, lexicon)

    # The first pass cuts the words, warms up, and shows what is measured.
    reading = read(path)
    cleaned = clean(reading.comments, rules, remember, lexicon)
    bare_loop(path)
    print(f"{len(reading.comments)} comments, {len(cleaned.words)} kept; {dict(cleaned.counts)}")
    times = {"bare loop": [], "reading": [], "reading and rules": [], "with jieba": []}
    for _ in range(rounds):
        times["bare loop"].append(timed(bare_loop, path))
        times["reading and rules"].append(timed(parse_and_clean, cut.__getitem__))
        times["reading"].append(timed(read, path))
        times["with jieba"].append(timed(parse_and_clean, jieba))
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"{name:18s} {middle * 1e3:8.2f} ms  ({min(seconds) * 1e3:.2f} best)")
    pairs = list(zip(times["bare loop"], times["reading and rules"]))
    speeds = [bare / ours for bare, ours in pairs]
    print(f"speed of reading and rules beside the bare loop: {statistics.median(speeds):.2f} "
          f"({min(speeds):.2f} to {max(speeds):.2f}; at least 0.5 is wanted)")  # fmt: skip
    both = zip(times["reading and rules"], times["with jieba"])
    share = statistics.median(1 - rest / whole for rest, whole in both)
    print(f"share of jieba in the whole time: {share:.0%}")


if __name__ == "__main__":
    main()
