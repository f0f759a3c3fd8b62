"""A whole split, every example counted once: predictions gathered with their ids, then metrics."""

import collections
import csv
from collections.abc import Mapping
from types import MappingProxyType

import jax
import numpy as np

from affectjax import sharding
from affectjax.data import pipeline


def predictor(model, mesh):
    """Jitted (params, model_state, batch) -> task sums, predictions, empty rows; on every host."""

    def predict(params, model_state, batch):
        variables = {"params": params, **model_state}
        tasks, predictions = model.apply(variables, batch, train=False, method="loss")
        tasks = {k: (s * batch["weight"], w * batch["weight"]) for k, (s, w) in tasks.items()}
        return tasks, predictions, batch["weight"] == 0

    return jax.jit(predict, out_shardings=sharding.replicated(mesh))


def evaluate(
    predict,
    model,
    params,
    model_state,
    source,
    examples,
    mesh,
    batch: int,
    workers: int = 0,
    bad_records: str = "fail",
    parts: np.ndarray | None = None,
    beat=lambda: None,
) -> tuple[dict[str, float], dict[str, np.ndarray], list[str]]:
    """(metrics, arrays with a row for each example, ids of the rows) over the whole source.

    `parts` is what `pipeline.count_parts` gives for the source, for those who evaluate often;
    `beat` is called after each batch.
    """
    shards = mesh.size // mesh.shape["tensor"]
    batch = -(-batch // shards) * shards
    collected, sums, skipped = collections.defaultdict(list), {}, 0
    if parts is None:
        parts = pipeline.count_parts(source, examples, bad_records=bad_records)
    ids = [source.ids[record] for record in np.repeat(np.arange(len(parts)), parts)]
    stream = pipeline.eval_batches(
        source,
        examples,
        batch=batch,
        rows=sharding.host_rows(mesh, batch),
        parts=parts,
        workers=workers,
        bad_records=bad_records,
    )
    placed = sharding.batch_sharding(mesh)
    for number, host in enumerate(stream):
        for message in host.bad:
            print(f"skipped: {message}", flush=True)
        tasks, predictions, empty = jax.device_get(
            predict(params, model_state, sharding.to_global(host.arrays, placed))
        )
        skipped += int(empty[: len(ids) - number * batch].sum())
        real = min(batch, len(ids) - number * batch)
        for key, values in predictions.items():
            collected[key].append(values[:real])
        for key, (total, weight) in tasks.items():
            before = sums.get(key, (0.0, 0.0))
            sums[key] = (
                before[0] + float(np.sum(total, dtype=np.float64)),
                before[1] + float(np.sum(weight, dtype=np.float64)),
            )
        beat()
    arrays = {key: np.concatenate(values) for key, values in collected.items()}
    if hasattr(model, "combine"):  # several rows of a clip become one
        arrays, ids = model.combine(arrays, ids)
    _all_counted(ids, source.ids, arrays)
    metrics = {f"loss/{k}": s / w for k, (s, w) in sums.items() if w} | model.metrics(arrays)
    if hasattr(model, "metrics_of_groups"):
        group = dict(zip(source.ids, source.groups))
        metrics |= model.metrics_of_groups(arrays, [group[name] for name in ids])
    if bad_records == "skip":
        metrics["skipped"] = float(skipped)
    return metrics, arrays, ids


def write_predictions(
    path,
    ids: list[str],
    source,
    arrays: dict[str, np.ndarray],
    columns_of: Mapping = MappingProxyType({}),
) -> None:
    """A CSV with a row for each row of the evaluation: id, group, and every number predicted.

    `columns_of` may name the columns of an array; otherwise they are numbered.
    """
    groups = dict(zip(source.ids, source.groups))
    columns = {}
    for key, values in sorted(arrays.items()):
        flat = values.reshape(len(values), -1)
        own = columns_of.get(key, range(flat.shape[1]))
        names = [key] if values.ndim == 1 else [f"{key}_{name}" for name in own]
        columns |= {name: flat[:, i] for i, name in enumerate(names)}
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "group", *columns])
        for row, name in enumerate(ids):
            table.writerow([name, groups[name], *(f"{c[row]:.9g}" for c in columns.values())])


def _all_counted(ids: list[str], expected, arrays: dict[str, np.ndarray]) -> None:
    """The rows must be the split's examples, all of them."""
    missing = set(expected) - set(ids)
    if missing or any(len(values) != len(ids) for values in arrays.values()):
        raise AssertionError(f"evaluation lost examples: {sorted(missing)[:5]}")
