"""The same extraction on Apache Beam: sources are handed out in small groups, items do the work.

Only names and settings travel; videos, comment files and the folder of items must be at the same
paths on every machine. Each group goes through the local runner with one decoding process, which
skips what is finished, so a repeated or a duplicated bundle does no harm.
"""

import dataclasses
import importlib.util
import os
from collections.abc import Sequence

from affectjax.errors import UserError
from data_prep import runner
from data_prep.plan import Source

GROUP = 16  # sources that share the start of a decoding process


def run(settings: runner.Settings, sources: Sequence[Source], options: Sequence[str]) -> None:
    """Bring every source to its end on the runner that `options` name (Beam's own flags)."""
    if importlib.util.find_spec("apache_beam") is None:
        mend = 'Install the extra "beam" in an environment of its own, or leave --runner out.'
        raise UserError("Apache Beam is not installed", mend=mend)
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions

    for path in (settings.folder, *(source.video for source in sources)):
        if not os.path.isabs(path):
            raise UserError("Beam needs whole paths", path, "Write them from the root on.")
    try:
        chosen = PipelineOptions(list(options))
    except SystemExit as error:
        raise UserError("Beam refuses its options", " ".join(options)) from error
    settings = dataclasses.replace(settings, workers=1)
    groups = [list(sources[i : i + GROUP]) for i in range(0, len(sources), GROUP)]
    with apache_beam.Pipeline(options=chosen) as pipeline:
        (
            pipeline
            | "Sources" >> apache_beam.Create(groups)
            | "Spread" >> apache_beam.Reshuffle()
            | "Extract" >> apache_beam.Map(extract, settings)
        )


def extract(group: Sequence[Source], settings: runner.Settings) -> int:
    """What one worker does with one group; the number of its sources."""
    local = runner.Local(settings)
    return sum(1 for _ in local.make(group))
