"""The extractors that a model's features came from, made again for new videos and held equal."""

from collections.abc import Mapping, Sequence
from typing import Any

from affectjax.errors import UserError
from affectjax.media.extractor import (
    BUILT_IN,
    Extractor,
    options_of,
    resolve,
    takes_weights,
    weights_of,
)

RANDOM = "random"
PLANTED = ("planted", "")  # the built-in sample's, whose modalities are those of `lowlevel`
Named = tuple[str, dict[str, Any]]  # an extractor's name and its options


def named(
    modalities: Mapping[str, int],
    about: Mapping[str, Mapping[str, Any]],
    weights: str | None = None,
    given: Sequence[Named] = (),
) -> list[Named]:
    """What `resolve` takes for each extractor that the modalities {name: width} need.

    `about` is what the dataset said of its modalities; `given` extractors take its place.
    `weights` is a folder of converted weights, or one with a folder of each extractor's name.
    """
    if given:
        return check([(n, weighed(n, o, weights)) for n, o in given], modalities, about, False)
    chosen: dict[str, dict[str, Any]] = {}
    for name, width in modalities.items():
        said = about.get(name, {})
        extractor = said.get("extractor", "")
        if extractor in PLANTED:
            extractor = _lowlevel(name, width, said)
        if extractor not in BUILT_IN and ":" not in extractor:
            raise UserError(
                f"'{name}' was made by the extractor {extractor!r}, which is none of ours",
                "the export",
                "Say --extractors=package.module:Class, as when the dataset was built.",
            )
        chosen.setdefault(extractor, weighed(extractor, _again(extractor, said), weights))
    return check(list(chosen.items()), modalities, about, True)


def weighed(name: str, options: Mapping[str, Any], weights: str | None) -> dict[str, Any]:
    """The options of an extractor, with the folder of its weights if it takes any."""
    found = dict(options)
    if not takes_weights(name):
        return found
    if weights is not None:
        own = weights_of(name, weights)
        found = {**own, **found, "weights": own["weights"]}
    if not found.get("weights"):
        raise UserError(
            f"the model reads features of `{name}`, and its weights are not named",
            "--weights",
            f"Say --weights=DIR, where `python -m affectjax.convert` left them (DIR/{name}).",
        )
    return found


def _again(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Options that give what the dataset describes."""
    settings = dict(said.get("settings", {}))
    if not takes_weights(name):
        return {key: settings[key] for key in options_of(name) if key in settings}
    found = {"rate": said.get("rate"), "dtype": settings.get("dtype"), "post": settings.get("post")}
    if str(said.get("weights", "")).startswith(RANDOM):
        network = dict(settings.get("network", {}))
        found |= {"weights": RANDOM, "seed": network.pop("seed", 0), "sizes": network}
    return {key: value for key, value in found.items() if value is not None}


def _lowlevel(name: str, width: int, said: Mapping[str, Any]) -> str:
    """`lowlevel`, if it gives this modality; rows are aligned by time, so any rate will do."""
    if resolve("lowlevel").modalities.get(name) == width:
        return "lowlevel"
    invented = said.get("extractor") == "planted"
    raise UserError(
        f"no extractor makes the sample's invented '{name}' of width {width}"
        if invented
        else f"nobody said what made the features '{name}' of width {width}",
        "the export",
        "Say --extractors=NAME,... that give them, or take a model of records of real videos.",
    )


def check(
    chosen: list[Named],
    modalities: Mapping[str, int],
    about: Mapping[str, Mapping[str, Any]],
    exact: bool,
) -> list[Named]:
    """The extractors give every modality at its width; `exact`: with the very weights, too."""
    found = [resolve(name, settings) for name, settings in chosen]
    owner: dict[str, Extractor] = {m: one for one in found for m in one.modalities}
    for name, width in modalities.items():
        if name not in owner:
            raise UserError(
                f"no extractor gives '{name}', which the model reads",
                ", ".join(one.name for one in found),
                "Say --extractors=NAME,... that give every modality of the model.",
            )
        one, said = owner[name], about.get(name, {})
        if one.modalities[name] != width:
            raise UserError(
                f"{one.name} gives '{name}' of width {one.modalities[name]}, the model reads "
                f"{width}",
                mend="Take the weights and options that the dataset was built with.",
            )
        planted = said.get("extractor", "") in PLANTED
        if exact and not planted and said.get("weights", "") != one.weights:
            raise UserError(
                f"the weights of {one.name} are not those that the model was trained behind",
                f"{one.weights or 'none'}, and there {said.get('weights') or 'none'}",
                "Name the folder of the same weights, or say --extractors to take these.",
            )
    return chosen
