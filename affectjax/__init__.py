"""affectjax: which emotions does a video evoke in the people who watch it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from affectjax.export import Export

__version__ = "0.1.0"


def load(export: str | os.PathLike) -> Export:
    """Load an exported model: a folder as training leaves it in its workdir.

    `load(EXPORT).predict(...)` takes a record, a video file, or several; see
    `affectjax.export.Export`.
    """
    from affectjax import export as exports  # jax starts here, so that the import stays quick

    return exports.load(export)
