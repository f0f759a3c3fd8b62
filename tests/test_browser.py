"""The browser that the pages are tested in: it notices what is wrong with a page."""

PAGE = """<!doctype html><meta charset=utf-8><title>before</title>
<button onclick="document.title = 'clicked'">a button</button>
<input id=word><p>words</p>"""


def test_a_good_page_is_quiet_and_clicks_and_keys_reach_it(chromium, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    with chromium.open(path, ready="document.title == 'before'") as page:
        page.click("button")
        assert page.run("document.title") == "clicked"
        page.click("#word")
        page.press("a")
        assert page.run("document.querySelector('#word').value") == "a"
        assert page.screenshot(tmp_path / "shot.png").startswith(b"\x89PNG")
        assert page.pdf(tmp_path / "page.pdf").startswith(b"%PDF")
        assert not page.errors and not page.outside
        assert page.files == [path.as_uri()]


def test_errors_and_needs_of_a_network_are_told(chromium, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(
        PAGE + "<script>console.error('said', 3); missing()</script>"
        "<img src='https://example.com/a.png'><img src='absent.png'>"
    )
    with chromium.open(path) as page:
        told = " | ".join(page.errors)
        assert "said 3" in told and "missing is not defined" in told and "absent.png" in told
        assert page.outside == ["https://example.com/a.png"]
