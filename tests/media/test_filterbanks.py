"""Filter banks against another implementation of Kaldi's, whole and while a video streams."""

import numpy as np
import pytest

from affectjax.media import filterbanks
from affectjax.media.extract import extract
from affectjax.media.extractor import resolve
from tests.media.films import write

RATE = 16_000


def known(wave, rate, bands):
    """transformers' own spectrogram with Kaldi's settings."""
    from transformers import audio_utils

    block, hop = round(0.025 * rate), round(0.010 * rate)
    size = 1 << (block - 1).bit_length()
    filters = audio_utils.mel_filter_bank(
        size // 2 + 1, bands, 20.0, rate / 2, rate, None, "kaldi", True
    )
    return audio_utils.spectrogram(
        wave, audio_utils.window_function(block, "hann", periodic=False), block, hop, size, 2.0,
        center=False, preemphasis=0.97, mel_filters=filters, mel_floor=1.192092955078125e-07,
        log_mel="log", remove_dc_offset=True,
    ).T  # fmt: skip


def noise(seconds, rate):
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2000 * time) + 0.05 * rng.normal(size=len(time)) + 0.1).astype(np.float32)


@pytest.mark.parametrize(("rate", "bands"), [(16_000, 128), (44_100, 64)])
def test_they_are_kaldis(rate, bands):
    wave = noise(0.3, rate)
    block, hop = round(0.025 * rate), round(0.010 * rate)
    starts = np.arange(1 + (len(wave) - block) // hop) * hop
    found = filterbanks.banks(wave[starts[:, None] + np.arange(block)], rate, bands)
    np.testing.assert_allclose(found, known(wave, rate, bands), atol=2e-3)


def test_the_extractor_gives_the_same_rows_shifted_and_scaled(tmp_path):
    wave = noise(1.0, RATE)
    path = write(tmp_path / "film.mkv", range(0, 1000, 40), sound=[(0, wave)], rate=RATE)
    extractor = resolve("filterbanks", {"samples": RATE})
    *chunks, _ = extract(path, [extractor], chunk=7)
    rows = np.concatenate([chunk.rows for chunk in chunks])
    found = extractor.gather("mfcc", rows)["mfcc"]
    heard = np.round(wave * 32767) / 32768  # as the file holds it
    wanted = (known(heard.astype(np.float32), RATE, 128) + 6.6268077) / (2 * 5.358466)
    assert len(found) == 100 and len(wanted) == 98  # the last blocks reach beyond the end
    np.testing.assert_allclose(found[:98], wanted, atol=0.02)
    assert extractor.gather("mfcc", rows[:0])["mfcc"].shape == (0, 128)
