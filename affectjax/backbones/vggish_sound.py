"""VGGish's sound: log-mel patches of 16 kHz mono, and the quantisation of what comes out.

A patch is 96 frames of 25 ms, 10 ms apart: 15,600 samples. No jax here.
"""

import functools

import numpy as np

RATE = 16_000
FRAME, HOP, TRANSFORM = 400, 160, 512  # samples
MELS, LOWEST, HIGHEST = 64, 125.0, 7500.0  # bands and Hz
PATCH = 96  # frames
SAMPLES = FRAME + (PATCH - 1) * HOP  # that a patch needs
FLOOR = 0.01  # added before the logarithm
CLIP = 2.0  # of principal components, on both sides
LEVELS = 255.0


def patches(sound: np.ndarray) -> np.ndarray:
    """float32 or int16 [S] -> log-mel [patches, 96, 64], one every 0.96 s; the tail is dropped."""
    mel = log_mel(sound)
    count = len(mel) // PATCH
    return mel[: count * PATCH].reshape(count, PATCH, MELS)


def log_mel(sound: np.ndarray) -> np.ndarray:
    """sound [..., S] at 16 kHz, int16 or -1..1 -> float32 [..., frames, 64]."""
    sound = np.asarray(sound)
    if sound.dtype == np.int16:
        sound = sound / 32768.0
    if sound.shape[-1] < FRAME:
        return np.zeros((*sound.shape[:-1], 0, MELS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME, axis=-1)[..., ::HOP, :]
    magnitude = np.abs(np.fft.rfft(frames * _window(), TRANSFORM))
    return np.log(magnitude @ _bands() + FLOOR).astype(np.float32)


def quantise(components: np.ndarray, rounding: str) -> np.ndarray:
    """Principal components [..., D] -> 0..255, float32; the fraction is rounded or cut off."""
    scaled = (np.clip(components, -CLIP, CLIP) + CLIP) * (LEVELS / (2 * CLIP))
    return {"round": np.round, "truncate": np.floor}[rounding](scaled).astype(np.float32)


@functools.cache
def _window() -> np.ndarray:
    """A Hann window that would be repeated without a seam: no zero at its end."""
    return 0.5 - 0.5 * np.cos(2 * np.pi / FRAME * np.arange(FRAME))


@functools.cache
def _bands() -> np.ndarray:
    """[frequencies, mels]: triangles that are straight in mel, not in Hz; no band hears 0 Hz."""
    edges = np.linspace(_mel(LOWEST), _mel(HIGHEST), MELS + 2)
    at = _mel(np.linspace(0.0, RATE / 2, TRANSFORM // 2 + 1))[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (at - left) / (centre - left), (right - at) / (right - centre)
    bands = np.maximum(0.0, np.minimum(rising, falling))
    bands[0] = 0.0
    return bands


def _mel(hertz):
    return 1127.0 * np.log(1.0 + np.asarray(hertz) / 700.0)
