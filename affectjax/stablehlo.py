"""An export for serving: one StableHLO program that runs with jax alone, without this package.

    python -m affectjax.stablehlo EXPORT [--out=DIR] [--batch=N] [--platforms=cpu,cuda,tpu]

Writes serving.stablehlo and serving.json into DIR, the export's own folder if unset. The program
takes the arrays of model.safetensors, by their names, and a batch; it serves any batch size unless
--batch fixes one. serving.json says which arrays a batch holds and which come back:

    import json, jax, numpy as np, safetensors.numpy
    from jax import export

    weights = safetensors.numpy.load_file("export/model.safetensors")
    program = export.deserialize(bytearray(open("export/serving.stablehlo", "rb").read()))
    about = json.load(open("export/serving.json"))
    inputs = about["inputs"].items()
    batch = {name: np.zeros([8, *one["shape"]], one["dtype"]) for name, one in inputs}
    found = jax.jit(program.call)(weights, batch)     # {"probability": [8, K], ...}

Features are rows a segment, `present` says which of them are there; the rest is left at zero. The
package flatbuffers must be installed, here and where it is served.
"""

import json
import pathlib
import sys

from affectjax import exits
from affectjax.errors import COMPLETE, UserError
from affectjax.files import put
from affectjax.flags import Parser

PLATFORMS = ("cpu", "cuda", "tpu")
FORMAT = 1


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    return exits.of(_main, argv)


def _main(argv: list[str] | None) -> int:
    parser = Parser("python -m affectjax.stablehlo", __doc__)
    parser.add_argument("export", metavar="EXPORT", help="what training left in `export`")
    parser.add_argument("--out", metavar="DIR", help="where to write; the export if unset")
    parser.add_argument("--batch", type=int, default=0, help="one size; any if unset")
    parser.add_argument("--platforms", default=",".join(PLATFORMS), help="of the program")
    given = parser.parse_args(argv)
    platforms = given.platforms.split(",")
    if unknown := [name for name in platforms if name not in PLATFORMS]:
        raise UserError(
            f"there is no platform '{unknown[0]}'",
            "--platforms",
            f"Use {', '.join(PLATFORMS)}.",
        )
    if not 0 <= given.batch < 2**31:
        raise UserError(f"a batch of {given.batch} cannot be", "--batch")
    for path in write(given.export, given.out or given.export, given.batch, platforms):
        print(path)
    return COMPLETE


def write(export, out, batch: int = 0, platforms=PLATFORMS) -> list[pathlib.Path]:
    """Write both files of an export; gives their paths."""
    from affectjax import export as exports

    loaded = exports.load(export)
    program, about = of_export(loaded, batch, platforms)
    content = {
        "serving.stablehlo": bytes(_serialized(program)),
        "serving.json": json.dumps(about, indent=1).encode(),
    }
    out, written = pathlib.Path(out), []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in content.items():
            put(out / name, data)
            written.append(out / name)
    except OSError as error:
        raise UserError(
            f"the program cannot be written: {error.strerror}", str(out), "Say another --out."
        ) from error
    return written


def of_export(loaded, batch: int = 0, platforms=PLATFORMS):
    """(the exported program, what serving.json says of it) of a loaded export.

    Outputs are those that depend on the weights: what a model merely gives back of its batch is
    none. Inputs are those that the outputs depend on, so no labels.
    """
    import jax
    from jax import export as jax_export

    from affectjax.export import nested, paths

    spec = loaded.examples.spec()
    size = batch or jax_export.symbolic_shape("batch")[0]

    def shapes(names):
        return {name: jax.ShapeDtypeStruct((size, *spec[name][0]), spec[name][1]) for name in names}

    weights = {f"params/{k}": v for k, v in paths(loaded.params).items()}
    weights |= {f"state/{k}": v for k, v in paths(loaded.model_state).items()}
    weights = {k: jax.ShapeDtypeStruct(v.shape, v.dtype) for k, v in weights.items()}

    def predict(weights, batch):
        tree = nested(weights)
        variables = {"params": tree.get("params", {}), **tree.get("state", {})}
        rows = next(iter(batch.values())).shape[0]
        unused = {
            name: jax.numpy.zeros((rows, *shape), dtype)
            for name, (shape, dtype) in spec.items()
            if name not in batch
        }
        return loaded.model.apply(variables, {**batch, **unused}, train=False)

    def predictions(weights, batch):
        found = predict(weights, batch)
        return {name: found[name] for name in outputs}

    graph, found = jax.make_jaxpr(predict, return_shape=True)(weights, shapes(spec))
    uses = _uses(graph.jaxpr, sorted(weights) + sorted(spec), sorted(found))
    outputs = [name for name in sorted(found) if uses[name] & set(weights)]
    inputs = sorted(set(spec) & set().union(*(uses[name] for name in outputs)))
    program = jax_export.export(jax.jit(predictions), platforms=platforms)(weights, shapes(inputs))
    about = {
        "format": FORMAT,
        "platforms": list(platforms),
        "batch": batch or None,
        "weights": "model.safetensors",
        "inputs": {n: {"shape": list(spec[n][0]), "dtype": str(jax.numpy.dtype(spec[n][1]))}
                   for n in inputs},
        "outputs": {n: {"shape": list(found[n].shape[1:]), "dtype": str(found[n].dtype)}
                    for n in outputs},
        "names": list(loaded.config.model.get("outputs", ())),
    }  # fmt: skip
    return program, about


def _uses(graph, inputs: list[str], outputs: list[str]) -> dict[str, set[str]]:
    """Which inputs each output depends on."""
    from jax.interpreters import partial_eval

    found = {}
    for i, name in enumerate(outputs):
        alone = [j == i for j in range(len(outputs))]
        _, used = partial_eval.dce_jaxpr(graph, alone)
        found[name] = {one for one, needed in zip(inputs, used) if needed}
    return found


def _serialized(program) -> bytearray:
    try:
        return program.serialize()
    except ImportError as error:
        raise UserError(
            "a program cannot be written without the package flatbuffers",
            mend="pip install flatbuffers",
        ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
