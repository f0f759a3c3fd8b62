"""Predictions along a film: clips' names, the moving average, values each second, scores by film.

NumPy alone. A clip of a film is called <film>@<number>; what is predicted for a clip stands for
each of its seconds (segments), which is where the truth is known and where metrics look.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from affectjax import metrics

WORST = 3  # films that are named


def clip_id(film: str, number: int) -> str:
    """The name of a film's clip."""
    return f"{film}@{number:04d}"


def film_of(name: str) -> tuple[str, int]:
    """The film and the number in a clip's name; a film's own name is that of its first clip."""
    film, at, number = name.rpartition("@")
    return (film, int(number)) if at and number.isdecimal() else (name, 0)


def moving_average(values: np.ndarray, beta: float, before: np.ndarray | None = None) -> np.ndarray:
    """Eq. 2 along values [N, K]: ema_1 = y_1, ema_i = beta ema_(i-1) + (1 - beta) y_i.

    `before` is the average of the clip before the first. beta 0 changes nothing.
    """
    found = np.empty_like(values)
    for i, value in enumerate(values):
        before = value if before is None else beta * before + (1 - beta) * value
        found[i] = before
    return found


def along_films(
    arrays: dict[str, np.ndarray], ids: Sequence[str], beta: float
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Rows of windows -> a row a second, film by film in the order of time.

    Of a window: prediction [R, N, K], truth [R, N, T, K] NaN where unknown, clip [R, N] the clips'
    numbers, new [R, N] whether no window before has given the clip, length [R, N] its seconds. The
    ids are those of the windows' first new clips; the second ones that of every second's clip.
    """
    clips: dict[str, dict[int, tuple[int, int]]] = {}  # film -> clip -> where it stands
    for row, name in enumerate(ids):
        film, number = film_of(name)
        own = clips.setdefault(film, {})
        places = np.flatnonzero(arrays["new"][row])
        for place in places:
            own[int(arrays["clip"][row, place])] = (row, int(place))
        if not len(places):  # a record that could not be read
            own[number] = (row, 0)
    out, names = {"prediction": [], "truth": [], "second": []}, []
    seconds = arrays["truth"].shape[2]
    for film, own in clips.items():
        order = sorted(own)
        rows, places = np.array([own[number] for number in order]).T
        smooth = moving_average(arrays["prediction"][rows, places], beta)
        for i, number in enumerate(order):
            count = max(1, int(arrays["length"][rows[i], places[i]]))
            out["prediction"].append(np.repeat(smooth[i : i + 1], count, 0))
            out["truth"].append(arrays["truth"][rows[i], places[i], :count])
            out["second"].append(number * seconds + np.arange(count))
            names += [clip_id(film, number)] * count
    return {key: np.concatenate(parts) for key, parts in out.items()}, names


def by_film(
    prediction: np.ndarray, truth: np.ndarray, groups: Iterable[str], names: Sequence[str]
) -> dict[str, float]:
    """Means over films of mse, pcc and ccc of [n, V]; what is undefined is left out and counted.

    A film without a truth counts nowhere. The films with the largest error are named.
    """
    groups = np.asarray(list(groups))
    found = {}
    for film in np.unique(groups):
        rows = groups == film
        if np.isfinite(truth[rows]).any():
            found[str(film)] = metrics.regression(prediction[rows], truth[rows], names)
    out = {"films": float(len(found))}
    for key in ("mse", "pcc", "ccc"):
        values = np.array([one[key] for one in found.values()])
        known = values[np.isfinite(values)]
        out[f"films/{key}"] = float(known.mean()) if len(known) else float("nan")
        out[f"films/undefined_{key}"] = float(len(values) - len(known))
    errors = {name: one["mse"] for name, one in found.items() if np.isfinite(one["mse"])}
    for film in sorted(errors, key=lambda name: (-errors[name], name))[:WORST]:
        out |= {f"worst/{film}/{key}": found[film][key] for key in ("mse", "pcc")}
    return out
