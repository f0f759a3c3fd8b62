"""The pages in a real browser without a network: they draw, play, seek, and complain of nothing."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from affectjax.predicting import index, page, picture
from affectjax.predicting.timeline import Segment, Timeline, Track, with_segments
from affectjax.predicting.windows import Windows
from tests.predicting import exports

NAMES = ("joy", "fear", "sadness & <b>more</b>")
SECONDS = 8.0
PLAYS = "document.getElementById('video').readyState >= 2"
AT = "document.getElementById('video').currentTime"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """In a form that every browser plays."""
    return exports.video(tmp_path_factory.mktemp("video") / "a film & more.webm", SECONDS)


def timeline(video, name: str = "a film", **more) -> Timeline:
    """Eight steps of everything that a page can show."""
    rng = np.random.default_rng(0)
    picture = np.full((72, 128, 3), 90, np.uint8)
    plain = {
        "name": name,
        "video": {"path": str(video), "duration": SECONDS, "width": 96, "height": 64,
                  "frame_rate": 25.0, "has_sound": True, "notes": ["it is <odd>"]},
        "model": {"name": "tam_emotion", "export": "export", "digest": "", "dataset": "mine",
                  "trained": True},
        "window": Windows(2.0, 1.0),
        "edges": np.arange(9.0),
        "tracks": (
            Track("values", ("valence",), rng.normal(size=(8, 1)).astype(np.float32)),
            Track("classes", NAMES, rng.dirichlet(np.ones(3), 8).astype(np.float32)),
        ),
        "attention": np.array([0, 0, 1, 0.8, 0, 0, 0.9, 0], np.float32),
        "segments": (),
        "segments_by": "",
        "strip": [(i + 0.5, picture) for i in range(8)],
    }  # fmt: skip
    return with_segments(Timeline(**plain | more), 0.5)


def write(folder, made: Timeline, source: str):
    path = folder / f"{made.name}.html"
    path.write_text(page.render(made, source, {"JSON": "a.json"}, '<a href="index.html">All</a>'))
    return path


@pytest.fixture
def shown(chromium, video, tmp_path):
    """The page beside a video that it points to, open."""
    shutil.copy(video, tmp_path)
    made = timeline(tmp_path / video.name)
    path = write(tmp_path, made, page.address(tmp_path / video.name, tmp_path / "x.html"))
    with chromium.open(path, ready=PLAYS) as opened:
        yield made, opened


def test_it_draws_everything_and_asks_for_nothing(shown, tmp_path):
    made, opened = shown
    drawn = opened.run(
        "[...document.querySelectorAll('#timeline g[data-name]')].map("
        "g => [g.dataset.name, g.querySelector('path').getAttribute('d').length])"
    )
    assert [name for name, _ in drawn] == ["valence", *NAMES] and min(n for _, n in drawn) > 100
    assert opened.run("document.querySelectorAll('#segments button').length") == len(made.segments)
    assert opened.run("document.querySelectorAll('#timeline image').length") >= 5
    assert opened.run("document.querySelector('#now .row.lead .name').textContent") in NAMES
    assert opened.run("document.querySelector('.note').textContent") == "It is <odd>."
    assert opened.run("document.querySelectorAll('b').length") == 4  # the marks; no name is markup
    assert opened.errors == [] and opened.outside == []
    assert {file.rpartition("/")[2] for file in opened.files} == {
        "a%20film.html", "a%20film%20%26%20more.webm",
    }  # fmt: skip


def test_a_click_on_the_timeline_takes_the_player_there(shown):
    made, opened = shown
    # the timeline's left and right columns are not time
    box = opened.run("document.getElementById('timeline').clientWidth")
    share = (112 + 0.7 * (box - 112 - 54)) / box
    opened.click("#timeline", share, 0.5)
    opened.wait(f"Math.abs({AT} - {0.7 * SECONDS}) < 0.1")
    assert opened.run("document.getElementById('clock').textContent").startswith("5.6 s")
    numbers = opened.run("[...document.querySelectorAll('#now .number')].map(n => n.textContent)")
    joy = made.tracks[1].scores[5, 0]
    assert numbers[1] == (f"{joy:.0%}" if joy >= 0.0995 else f"{joy:.1%}")
    for key, moment in (("ArrowLeft", 4.6), ("Home", 0.0), ("ArrowRight", 1.0)):
        opened.press(key)
        opened.wait(f"Math.abs({AT} - {moment}) < 0.1")
    opened.click("#segments li:last-child button")
    opened.wait(f"Math.abs({AT} - {made.segments[-1].start}) < 0.1")
    opened.run("document.getElementById('video').play()")
    opened.wait(f"{AT} > {made.segments[-1].start + 0.3}")
    opened.wait("document.getElementById('clock').textContent > '6.2 s'")
    assert opened.errors == []


def test_without_the_video_the_timeline_still_works_and_another_file_can_be_had(
    chromium, video, tmp_path
):
    path = write(tmp_path, timeline(video), "gone.webm")
    with chromium.open(path, ready="!document.getElementById('lost').hidden") as opened:
        opened.click("#timeline", 0.5, 0.5)
        opened.wait("!document.getElementById('clock').textContent.startsWith('0.0')")
        document = opened.send("DOM.getDocument")["root"]["nodeId"]
        field = opened.send("DOM.querySelector", nodeId=document, selector="#other")["nodeId"]
        opened.send("DOM.setFileInputFiles", nodeId=field, files=[str(video)])
        opened.wait(PLAYS)
        assert opened.run("document.getElementById('lost').hidden")
        assert [e for e in opened.errors if "gone.webm" not in e] == [] and opened.outside == []


def test_a_page_that_holds_its_video_plays_anywhere(chromium, video, tmp_path):
    path = write(tmp_path, timeline(video), page.embedded(video))
    with chromium.open(path, ready=PLAYS) as opened:
        opened.click("#timeline", 0.6, 0.5)
        opened.wait(f"{AT} > 1")
        assert opened.errors == [] and opened.outside == [] and len(opened.files) == 1


def test_of_very_many_segments_the_first_are_listed(chromium, video, tmp_path):
    made = timeline(video)
    many = tuple(Segment(i / 50, (i + 1) / 50, NAMES[i % 2], 0.5) for i in range(305))
    path = write(tmp_path, dataclasses.replace(made, segments=many), page.embedded(video))
    with chromium.open(path) as opened:
        opened.wait("document.querySelector('#segments li') !== null")
        assert opened.run("document.querySelectorAll('#segments button').length") == 300
        assert opened.run("document.querySelector('#segments').innerText").endswith(
            "and 5 more, in the JSON"
        )
        assert opened.errors == []


def test_it_fits_a_phone(chromium, video, tmp_path):
    path = write(tmp_path, timeline(video), page.embedded(video))
    with chromium.open(path, 390, 844, ready=PLAYS) as opened:
        opened.wait("document.querySelector('#cursor') !== null")
        assert opened.run("document.documentElement.scrollWidth") <= 390
        opened.resize(1200, 900)
        opened.wait("document.querySelector('#timeline svg').getAttribute('viewBox').length > 0 &&"
                    " document.querySelector('#timeline svg').clientWidth > 800")  # fmt: skip
        assert opened.errors == []


def test_the_index_leads_to_every_page_and_names_what_failed(chromium, video, tmp_path):
    made = [timeline(video, name) for name in ("one", "b/two & more")]
    (tmp_path / "b").mkdir()
    for each in made:
        write(tmp_path, each, "gone.webm")
        (tmp_path / f"{each.name}.png").write_bytes(picture.png(each))
    # what the next call reads of it has been through JSON
    cards = json.loads(json.dumps([index.card(each) for each in made]))
    bad = {"/v/<bad>.mp4": "it is no video"}
    (tmp_path / "index.html").write_text(index.render(cards, bad, "Predicted by a model."))
    with chromium.open(tmp_path / "index.html") as opened:
        text = opened.run("document.body.innerText")
        assert "2 videos" in text and "/v/<bad>.mp4: it is no video" in text
        assert [name for name in NAMES if name not in text] == []
        opened.wait("[...document.images].every(image => image.naturalWidth > 1000)")
        assert opened.errors == [] and opened.outside == []
        opened.click("li:nth-child(2) a strong")
        opened.wait("document.title == 'b/two & more'")
        opened.wait("document.querySelector('#cursor') !== null")


def test_words_differ_from_video_to_video_so_colours_are_not_explained_at_once(video):
    tracks = [Track("words", (word, "the"), np.full((8, 2), 0.5, np.float32)) for word in "ab"]
    cards = [index.card(timeline(video, tracks=(track,))) for track in tracks]
    assert 'class="legend"' in index.render(cards[:1], {}, "")
    assert 'class="legend"' not in index.render(cards, {}, "")


def test_data_cannot_end_the_script_that_holds_it(video):
    track = Track("classes", ("</script>", "b"), np.full((8, 2), 0.5, np.float32))
    text = page.render(timeline(video, name="</title>", tracks=(track,)), "x.mp4", {})
    assert text.count("</script>") == 2 and text.count("</title>") == 1
