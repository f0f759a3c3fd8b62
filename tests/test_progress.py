"""The progress of a long command: a bar that is kept in one line, or a few lines of plain text."""

import io

import pytest

from affectjax import progress


class Terminal(io.StringIO):
    """Something that says it is watched."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_replaces_itself(monkeypatch):
    monkeypatch.setattr(progress.time, "monotonic", iter(range(100)).__next__)
    out = Terminal()
    bar = progress.Progress("videos", 2, out)
    bar.step(known=True)
    bar.within("a film", 75.0)
    bar.line("a film: joy")
    bar.step()
    bar.close()
    pieces = out.getvalue().split("\r\033[K")[1:]
    assert "1 of 2, 1 of them before" in pieces[0]
    assert pieces[1].endswith("; a film at 1 min 15 s")
    assert pieces[2] == "a film: joy\n"
    assert "2 of 2" in pieces[3] and pieces[3].endswith("\n")


def test_elsewhere_a_line_is_rare_and_the_last_one_comes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    lines = progress.Progress("videos", 50, out)
    for _ in range(50):
        now[0] += 1
        lines.step()
        lines.within("x", 1.0)
    lines.close()
    told = out.getvalue().splitlines()
    assert len(told) == 2 and told[0].startswith("videos 31 of 50, about 19 s left")
    assert told[1] == "videos 50 of 50"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (3 * 3600 + 1230, "3 h 20 min")],
)
def test_durations_are_told_in_two_units(seconds, text):
    assert progress.duration(seconds) == text
