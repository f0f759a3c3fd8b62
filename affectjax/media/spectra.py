"""Log-mel spectrograms and MFCC, equal to librosa's within rounding; no librosa is loaded.

    spectra.mfcc(wave, spectra.VAANET)            as the paper's code asks today's librosa
    spectra.mfcc(wave, spectra.VAANET_RELEASE)    as it came out of the librosa of its time

`cten` takes the MFCC of `vaanet`, cut into as many pieces as the pictures and resized. The
extractor `mfcc` gives the same rows while a video streams by, padded with zeros at the ends.
"""

import dataclasses
import functools

import numpy as np

from affectjax.media.extractor import Sound, check_count

FRAMES = 256  # spectra worked on at once, so that memory stays bounded


@dataclasses.dataclass(frozen=True)
class Mel:
    """How a wave becomes decibels of mel bands, and those cepstral coefficients."""

    samples: int = 22_050  # a second
    block: int = 2048  # samples of one spectrum
    hop: int = 512
    bands: int = 128
    lowest: float = 0.0  # Hz
    highest: float | None = None  # None: half the rate
    htk: bool = False  # the mel scale of HTK, not Slaney's
    even: bool = True  # bands of equal area, not of equal height
    power: float = 2.0  # of the magnitude
    padding: str = "constant"  # at both ends: "constant" (zeros) | "reflect"
    floor: float = 1e-10
    range: float | None = 80.0  # decibels below the loudest that are kept
    coefficients: int = 20


VAANET = Mel(samples=44_100, coefficients=32)
VAANET_RELEASE = dataclasses.replace(VAANET, padding="reflect")


class Mfcc:
    """The extractor `mfcc`: a row for each hop of the sound track, in the record's entry `mfcc`.

    What streams by are decibels of the bands: how far below the loudest is cut off, and so the
    coefficients, only the whole track can tell.
    """

    name = "mfcc"
    weights = ""
    trained = True
    entry = True

    def __init__(self, samples: int = 44_100, block: int = 2048, hop: int = 512,
                 bands: int = 128, coefficients: int = 32):  # fmt: skip
        self.mel = Mel(samples, block, hop, bands, coefficients=coefficients)
        for option in ("samples", "block", "hop", "bands", "coefficients"):
            check_count(self.name, option, getattr(self.mel, option))
        self.settings = {"version": 2, **dataclasses.asdict(self.mel)}
        self.modalities = {"mfcc": coefficients}
        # Row i is centred on (i + 0.5) hops; the block of it that librosa takes, on i hops.
        self.wants = {"mfcc": Sound(samples / hop, (block + hop) / samples, samples)}

    def prepare(self, modality: str, window: np.ndarray) -> np.ndarray:
        """[n, S] -> float32 decibels [n, bands]."""
        energy = energies(window[:, : self.mel.block].astype(np.float64), self.mel)
        everything = dataclasses.replace(self.mel, range=None)
        return decibels(energy, everything).astype(np.float32)

    def gather(self, modality: str, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Decibels [n, bands] of a whole track -> {"mfcc": float32 [n, coefficients]}."""
        if not len(rows):
            return {"mfcc": np.zeros((0, self.mel.coefficients), np.float32)}
        return {"mfcc": cepstrum(clipped(rows, self.mel), self.mel)}


def frames_in(samples: int, mel: Mel) -> int:
    """F: how many spectra a wave of so many samples has."""
    return 1 + samples // mel.hop


def mel_spectrogram(wave: np.ndarray, mel: Mel) -> np.ndarray:
    """[S] -> [F, bands], the energy of each band; F = 1 + S // hop, centred on multiples of hop."""
    wave = np.asarray(wave, np.float64)
    half = mel.block // 2
    # One sample cannot be reflected, and nothing cannot be padded by anything but zeros.
    mirrored = mel.padding == "reflect" and len(wave) > 1
    padded = np.pad(wave, half, mode="reflect" if mirrored else "constant")
    count = frames_in(len(wave), mel)
    views = np.lib.stride_tricks.sliding_window_view(padded, mel.block)[:: mel.hop][:count]
    return np.concatenate(
        [energies(views[first : first + FRAMES], mel) for first in range(0, count, FRAMES)]
    )


def energies(blocks: np.ndarray, mel: Mel) -> np.ndarray:
    """[F, block] samples -> [F, bands]."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(mel.block) / mel.block)
    return np.abs(np.fft.rfft(blocks * window)) ** mel.power @ filters(mel).T


def decibels(energy: np.ndarray, mel: Mel) -> np.ndarray:
    """Energies -> decibels, not further below the loudest than the range says."""
    return clipped(10 * np.log10(np.maximum(energy, mel.floor)), mel)


def clipped(levels: np.ndarray, mel: Mel) -> np.ndarray:
    """Decibels of a whole wave, none further below the loudest than the range says."""
    return levels if mel.range is None else np.maximum(levels, levels.max() - mel.range)


def log_mel(wave: np.ndarray, mel: Mel) -> np.ndarray:
    """[S] -> float32 [F, bands]."""
    return decibels(mel_spectrogram(wave, mel), mel).astype(np.float32)


def mfcc(wave: np.ndarray, mel: Mel) -> np.ndarray:
    """[S] -> float32 [F, coefficients]: the orthonormal cosine transform of the decibels."""
    return cepstrum(decibels(mel_spectrogram(wave, mel), mel), mel)


def cepstrum(levels: np.ndarray, mel: Mel) -> np.ndarray:
    """Decibels [F, bands] -> float32 [F, coefficients]."""
    return (levels @ cosines(mel.bands, mel.coefficients).T).astype(np.float32)


@functools.cache
def cosines(bands: int, coefficients: int) -> np.ndarray:
    """[coefficients, bands], rows of length 1."""
    place = np.pi * (np.arange(bands) + 0.5) / bands
    rows = np.cos(np.arange(coefficients)[:, None] * place) * np.sqrt(2 / bands)
    rows[0] /= np.sqrt(2)
    return rows


@functools.cache
def filters(mel: Mel) -> np.ndarray:
    """[bands, block / 2 + 1]: triangles that overlap by half, evenly spaced on the mel scale."""
    highest = mel.samples / 2 if mel.highest is None else mel.highest
    ends = to_mel(np.array([mel.lowest, highest]), mel.htk)
    corner = to_hertz(np.linspace(*ends, mel.bands + 2), mel.htk)
    hertz = np.arange(mel.block // 2 + 1) * mel.samples / mel.block
    width = np.diff(corner)[:, None]
    rising = (hertz - corner[:-2, None]) / width[:-1]
    falling = (corner[2:, None] - hertz) / width[1:]
    found = np.maximum(0, np.minimum(rising, falling))
    return found * (2 / (corner[2:] - corner[:-2]))[:, None] if mel.even else found


# Slaney's scale: linear up to 1000 Hz, 15 mel; above, 27 mel for each factor of 6.4.
BEND, SLOPE, STEP = 1000.0, 200 / 3, np.log(6.4) / 27


def to_mel(hertz: np.ndarray, htk: bool = False) -> np.ndarray:
    """Mel of frequencies in hertz, Slaney's or HTK's."""
    if htk:
        return 2595 * np.log10(1 + hertz / 700)
    above = BEND / SLOPE + np.log(np.maximum(hertz, BEND) / BEND) / STEP
    return np.where(hertz < BEND, hertz / SLOPE, above)


def to_hertz(mels: np.ndarray, htk: bool = False) -> np.ndarray:
    """The inverse of `to_mel`."""
    if htk:
        return 700 * (10 ** (mels / 2595) - 1)
    bend = BEND / SLOPE
    return np.where(
        mels < bend, mels * SLOPE, BEND * np.exp(STEP * (np.maximum(mels, bend) - bend))
    )
