"""What is known of a video once it was read, and the error of one that gives nothing."""

import collections
import dataclasses

from affectjax.errors import UserError

FEWEST_DECIBELS = -80.0  # a track that never gets louder is silent


class MediaError(UserError):
    """A file that no picture can be had from; it says why."""

    def __reduce__(self):  # survives the way back from a worker process
        return MediaError, (self.what, self.where)


@dataclasses.dataclass
class Facts:
    """Of one video, upright and in seconds; `notes` say what was wrong with it."""

    duration: float = 0.0  # to the end of the last picture
    frame_rate: float = 0.0  # the mean
    width: int = 0  # as shown: after rotation, in square pixels
    height: int = 0
    rotation: int = 0  # degrees to the left that make it upright
    frames: int = 0
    has_sound: bool = False
    silent: bool | None = None  # None: nobody listened
    sound: float = 0.0  # seconds to the end of the last sample
    stated: float = 0.0  # the duration that the file's header gives, 0 where it gives none
    notes: list[str] = dataclasses.field(default_factory=list)


def told(wrong: collections.Counter[str]) -> list[str]:
    """Notes of what was counted."""
    return [f"{what}: {count}" for what, count in sorted(wrong.items()) if count]
