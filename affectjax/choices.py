"""Settings that are one of a few names; any other is an error that lists them."""

from collections.abc import Mapping, Sequence
from typing import Any

from affectjax.errors import UserError


def check(owner: Any, choices: Mapping[str, Sequence[str]], section: str = "model") -> None:
    """`choices` {setting: its names}; the settings are attributes of `owner`."""
    for name, known in choices.items():
        value = getattr(owner, name)
        if value not in known:
            what = f"{name} = {value!r} is unknown"
            raise UserError(what, f"{section}.{name}", f"Choose one of {', '.join(known)}.")
