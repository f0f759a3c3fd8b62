"""MFCC and log-mel beside librosa and beside plain loops."""

import dataclasses

import numpy as np
import pytest

from affectjax.media import spectra
from affectjax.media.extractor import resolve
from affectjax.media.spectra import Mel
from tests.media.films import write


@pytest.fixture(scope="module")
def librosa():
    import librosa

    return librosa


def wave(seconds: float, samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * samples)) / samples
    tone = np.sin(2 * np.pi * (200 + 800 * time) * time) * np.exp(-time)
    return (0.5 * tone + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


SETTINGS = {
    "vaanet": spectra.VAANET,
    "vaanet as released": spectra.VAANET_RELEASE,
    "librosa's own": Mel(),
    "htk": Mel(16_000, 400, 160, 64, 125.0, 7500.0, htk=True, even=False, power=1.0, range=None),
}


@pytest.mark.filterwarnings("ignore:n_fft")
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("seconds", [1.3, 0.05])
def test_equal_to_librosa(librosa, name, seconds):
    mel = SETTINGS[name]
    sound = wave(seconds, mel.samples).astype(np.float64)
    energy = librosa.feature.melspectrogram(
        y=sound, sr=mel.samples, n_fft=mel.block, hop_length=mel.hop, n_mels=mel.bands,
        fmin=mel.lowest, fmax=mel.highest, htk=mel.htk, norm="slaney" if mel.even else None,
        power=mel.power, pad_mode=mel.padding,
    )  # fmt: skip
    wanted = librosa.power_to_db(energy, amin=mel.floor, top_db=mel.range)
    np.testing.assert_allclose(spectra.log_mel(sound, mel), wanted.T, atol=1e-4)
    wanted = librosa.feature.mfcc(S=wanted, n_mfcc=mel.coefficients)
    found = spectra.mfcc(sound, mel)
    assert found.shape == (spectra.frames_in(len(sound), mel), mel.coefficients)
    np.testing.assert_allclose(found, wanted.T, atol=1e-4)


def test_the_papers_call_as_its_code_writes_it(librosa):
    sound = wave(1.0, 44_100)
    wanted = librosa.feature.mfcc(y=sound.astype(np.float64), sr=44_100, n_mfcc=32)
    np.testing.assert_allclose(spectra.mfcc(sound, spectra.VAANET), wanted.T, atol=1e-4)


def test_one_frame_by_plain_loops():
    mel = Mel(800, 16, 4, 4, range=None, coefficients=3)
    sound = wave(0.1, 800)
    padded = [0.0] * 8 + [float(x) for x in sound] + [0.0] * 8
    frame, bands = 5, []
    for row in spectra.filters(mel):
        energy = 0.0
        for k, weight in enumerate(row):
            value = 0j
            for n in range(16):
                hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / 16)
                value += padded[frame * 4 + n] * hann * np.exp(-2j * np.pi * k * n / 16)
            energy += weight * abs(value) ** 2
        bands.append(10 * np.log10(max(energy, 1e-10)))
    np.testing.assert_allclose(spectra.log_mel(sound, mel)[frame], bands, atol=1e-5)
    for c, found in enumerate(spectra.mfcc(sound, mel)[frame]):
        scale = np.sqrt((1 if c == 0 else 2) / 4)
        wanted = scale * sum(b * np.cos(np.pi * c * (i + 0.5) / 4) for i, b in enumerate(bands))
        assert abs(found - wanted) < 1e-4


def test_padding_matters_only_at_the_ends():
    sound = wave(1.0, 44_100)
    rows = [spectra.log_mel(sound, dataclasses.replace(spectra.VAANET, range=None, padding=p))
            for p in ("constant", "reflect")]  # fmt: skip
    same = np.isclose(rows[0], rows[1]).all(1)
    assert same[2:-2].all() and not same[0]


@pytest.mark.parametrize("samples", [0, 1, 511])
def test_hardly_any_sound_and_silence_are_finite(samples):
    for mel in (spectra.VAANET, spectra.VAANET_RELEASE):
        found = spectra.mfcc(np.zeros(samples, np.float32), mel)
        assert found.shape == (1, 32) and np.isfinite(found).all()


def test_the_extractor_gives_librosas_rows_while_a_video_streams(tmp_path, librosa):
    from affectjax.media.extract import extract

    sound = wave(1.0, 44_100)
    path = write(tmp_path / "film.mkv", range(0, 1000, 40), sound=[(0, sound)], rate=44_100)
    *chunks, facts = extract(path, [resolve("mfcc")], chunk=10)
    extractor, levels = resolve("mfcc"), np.concatenate([chunk.rows for chunk in chunks])
    found = extractor.gather("mfcc", levels)["mfcc"]
    heard = np.round(sound * 32767).astype(np.float64) / 32768  # as the file holds it
    energy = librosa.feature.melspectrogram(y=heard, sr=44_100)
    wanted = librosa.feature.mfcc(S=librosa.power_to_db(energy), n_mfcc=32).T
    assert len(found) == 86 and len(wanted) == 87  # the last is centred on the very end
    np.testing.assert_allclose(found, wanted[:86], atol=0.05)  # of 16-bit sound
    whole = spectra.mfcc(heard, spectra.VAANET)
    np.testing.assert_allclose(whole, wanted, atol=1e-4)
