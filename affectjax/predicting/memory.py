"""Videos predicted in memory: what `affectjax.load(EXPORT).predict(PATH)` gives."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from affectjax.errors import UserError
from affectjax.export import Export
from affectjax.media.files import said
from affectjax.media.workers import Failure
from affectjax.predicting.run import Predictor, Settings
from affectjax.predicting.timeline import Timeline
from affectjax.predicting.videos import named


def timelines(
    export: Export, places: Sequence[str | os.PathLike], settings: Mapping[str, Any]
) -> list[Timeline]:
    """The timeline of every video, in the order of the places; the first that fails raises."""
    made = []
    for video, found in Predictor(export, Settings(**settings))(named(places)):
        if isinstance(found, Failure):
            raise UserError(*told(found, video.path))
        made.append(found)
    return made


def told(failure: Failure, path: os.PathLike) -> tuple[str, str]:
    """(what, where) of a video that gave nothing; the reason names the file only once."""
    where = str(path)
    return said(failure.reason.replace(f" ({where})", "")), said(where)
