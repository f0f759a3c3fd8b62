"""LIRIS-ACCEDE in the forms of three MediaEval tasks; the option `task` chooses one.

2015   three classes of valence and arousal a clip, from a table with `valenceClass` and
       `arousalClass` (-1, 0, 1). Both stand in the values; the option `target` says which of them
       is the label.
2016   one value of each a clip, from tables with `valenceValue` and `arousalValue`. Clips of
       ACCEDEranking.txt train and those of another such table test; with that file alone
       ACCEDEsets.txt splits.
2018   one value of each a second of a film, from `<film>_Valence.txt` and `<film>_Arousal.txt`;
       a missing second, or an empty file, is NaN. Second s stands at s + 0.5, its middle. The last
       twelve of the 66 films test.

The film of a clip is its group, from ACCEDEdescription.xml or a table with a column `movie`.
"""

from data_prep.builders import liris_films, liris_tables
from data_prep.plan import Plan, Request

OPTIONS = {"task": "2016", "target": "valence", "test_from": 54}
TASKS = {
    "2015": liris_tables.classes,
    "2016": liris_tables.values,
    "2018": liris_films.plan,
}


def plan(request: Request) -> Plan:
    """The plan of the task that the options name."""
    from affectjax.errors import UserError, nearest
    from data_prep import find

    task = str(request.options["task"]).removeprefix("mediaeval")
    if task not in TASKS:
        raise UserError(f"there is no task {task!r}", "--options", nearest(task, TASKS))
    find.folder(request.annotations, "--annotations", "the annotation files of LIRIS-ACCEDE")
    return TASKS[task](request)
