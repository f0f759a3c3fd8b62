"""An export on a hub: a card that its readers parse, files that load through links."""

import json

import numpy as np
import pytest
import safetensors.numpy

from affectjax import card, export

ABOUT = {
    "format": export.FORMAT,
    "config": {"model": {"name": "cten", "modalities": {"audio": 16}, "outputs": ["joy", "fear"]}},
    "dataset": {"name": "ekman6", "digest": "0123456789abcdef0"},
    "modalities": {"audio": {"extractor": "vggish", "trained": False}},
    "metrics": {"accuracy": 0.5, "pcc": None, "accuracy/joy": 0.25},
}


def front(text: str) -> dict:
    yaml = pytest.importorskip("yaml")
    empty, matter, _ = text.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(matter)


def test_the_front_matter_names_library_and_task():
    found = front(card.text(ABOUT, 7))
    assert (found["library_name"], found["pipeline_tag"]) == ("affectjax", "video-classification")
    words = {**ABOUT, "config": {"model": {"name": "x", "modalities": {}}}}
    assert front(card.text(words, 7))["pipeline_tag"] == "text-classification"


def test_a_model_of_pixels_and_sound_reads_videos_too():
    config = {"model": {"name": "vaanet", "modalities": {}}, "examples": {"frames": 16, "mfcc": 32}}
    text = card.text({**ABOUT, "config": config, "modalities": {}}, 7)
    assert front(text)["pipeline_tag"] == "video-classification"
    assert "| frames | pictures | frames |\n| mfcc | 32 | mfcc |" in text
    assert 'model.predict("video.mp4")' in text


def test_the_card_says_what_was_trained_on_what_and_how_well():
    text = card.text(ABOUT, 1234567)
    for said in ("# cten,", "1,234,567 parameters", "`ekman6` (digest `0123456789abcdef`)",
                 "Predicts joy, fear.", "| audio | 16 | vggish |", "| accuracy | 0.5000 |",
                 "| pcc | undefined |", "Untrained extractors (audio)"):  # fmt: skip
        assert said in text, said
    assert "accuracy/joy" not in text and "invented" not in text
    assert "invented" in card.text({**ABOUT, "dataset": {"name": "sample", "digest": ""}}, 1)


def test_a_folder_of_links_as_a_hub_s_cache_keeps_it_loads(tmp_path):
    blobs, folder = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir(), folder.mkdir()
    array = np.arange(6.0).reshape(2, 3)
    safetensors.numpy.save_file({"params/head/kernel": array}, blobs / "a")
    (blobs / "b").write_text(json.dumps(ABOUT))
    for name, blob in (("model.safetensors", "a"), ("config.json", "b")):
        (folder / name).symlink_to(blobs / blob)
    loaded = export.load(folder)
    assert (loaded.params["head"]["kernel"] == array).all()
    assert loaded.config.model.outputs == ["joy", "fear"]
