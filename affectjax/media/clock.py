"""Times from stamps that lie: from 0 on, never backwards, no gaps that cannot be."""

LONGEST_GAP = 600.0  # seconds that one picture may stay, or that may pass without sound
BEYOND_GAP = 10.0  # the same, well after the end that the header states
BACK = 1.0  # seconds; less is a stamp out of order, more a clock that started anew
USUAL_RATE = 25.0  # pictures a second, where the file says nothing that can be


def longest_gap(start: float, stated: float) -> float:
    """Seconds before `start` in which nothing may have come; `stated` is the duration, or 0."""
    return BEYOND_GAP if stated and start > 2 * stated + 60.0 else LONGEST_GAP


class Clock:
    """Start times of pictures, one after the other; what it mends is counted in `wrong`."""

    def __init__(self, rate: float, wrong, stated: float = 0.0):
        self.stated = stated
        self.origin: float | None = None  # the stamp of time 0
        self.usual = 1 / rate if 0.1 <= rate <= 1000 else 1 / USUAL_RATE
        self.last: float | None = None
        self.last_length = self.usual
        self.wrong = wrong

    def start(self, stamp: int | None, length: int | None, base: float) -> float | None:
        """Of the next picture; None for one that would be seen at no time."""
        length = (length or 0) * base
        length = length if 0 < length <= LONGEST_GAP else self.usual
        if stamp is None or not base:
            self.wrong["pictures without a time"] += 1
            start = 0.0 if self.last is None else self.last + self.last_length
            self.origin = 0.0 if self.origin is None else self.origin
        else:
            self.origin = stamp * base if self.origin is None else self.origin
            start = stamp * base - self.origin
        if self.last is not None:
            if start < self.last - BACK or start > self.last + longest_gap(start, self.stated):
                self.wrong["jumps of the clock, closed"] += 1
                self.origin += start - (self.last + self.last_length)
                start = self.last + self.last_length
            elif start <= self.last:
                self.wrong["pictures at a time that is past, left out"] += 1
                return None
        self.last, self.last_length = max(start, 0.0), length
        return self.last
