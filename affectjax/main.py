"""Train, evaluate, export or plan: python -m affectjax.main --config=configs/tam_pretrain.py

Exit status: 0 complete, 2 bad input (one line says what), 75 stopped early in good order and to be
started again, 1 anything unexpected.
"""

import json
import math
import os
import pathlib
import signal
import sys
import threading
import traceback

from absl import flags

from affectjax import bounds, configlib, exits, files
from affectjax.errors import BAD_INPUT, COMPLETE, FAULT, REQUEUE, UserError

MODES = ("train", "eval", "export", "plan")
AGAIN = "the same command goes on from the last checkpoint"
# Keys that may differ when a run goes on: they change where and how fast, not what is computed.
MOVABLE = (
    "data.dir",
    "data.sample_dir",
    "mesh.",
    "checkpoint.",
    "train.workers",
    "train.tensorboard",
    "train.checkpoint_every",
    "train.bad_limit",
    "train.stuck_after",
    "train.init_from",
    "model.form",
    "model.remat",
)


def define_flags(values: flags.FlagValues) -> None:
    """The command line, besides --config and its keys."""
    text, number, switch = flags.DEFINE_string, flags.DEFINE_integer, flags.DEFINE_bool
    flags.DEFINE_enum("mode", "train", MODES, "what to do", flag_values=values)
    text("workdir", None, "where the run lives; .runs/<config> if unset", flag_values=values)
    text("export", None, "an export to evaluate instead of a workdir's", flag_values=values)
    text("topology", "", "plan for a TPU slice, such as v5e:4x4 (libtpu)", flag_values=values)
    text("coordinator", None, "HOST:PORT of process 0", flag_values=values)
    number("processes", 1, "how many processes make up the job", flag_values=values)
    number("process", 0, "which of them this one is", flag_values=values)
    switch(
        "cluster",
        False,
        "find coordinator and rank from SLURM, Kubernetes or a TPU pod",
        flag_values=values,
    )
    number("start_timeout", 300, "seconds in which all processes have to come", flag_values=values)
    number("heartbeat", 100, "seconds after which a silent process is dead", flag_values=values)
    number("cpu_devices", 0, "simulate this many devices on the CPU", flag_values=values)
    text(
        "compile_cache",
        "~/.cache/affectjax/compiled",
        "compiled programs; empty for none",
        flag_values=values,
    )


def main(argv: list[str]) -> int:
    """Run one command line; gives the exit status."""
    undo = _stop_at_once()
    try:
        return exits.told(_main, argv, again=AGAIN)
    finally:
        undo()


def _stop_at_once():
    """Until training begins, SIGTERM ends the process; gives what takes that back.

    The loop's own handling, and that of a job of several processes, take its place.
    """
    heard, wake = os.pipe()
    os.set_blocking(wake, False)

    def handler(number, frame):
        pass  # a thread does it: the main one may be waiting for other hosts, deaf to signals

    def listen():
        while number := os.read(heard, 1):
            if number[0] == signal.SIGTERM and signal.getsignal(signal.SIGTERM) is handler:
                os.write(2, b"stopped where there was nothing to save; the same command goes on\n")
                os._exit(REQUEUE)  # unwinding out of the middle of an import ends in a crash
        os.close(heard)

    try:
        before = signal.signal(signal.SIGTERM, handler)
    except ValueError:  # not the main thread: the caller stops us
        return lambda: None
    old = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    threading.Thread(target=listen, name="listening", daemon=True).start()

    def undo():
        signal.signal(signal.SIGTERM, before)
        signal.set_wakeup_fd(old)
        os.close(wake)

    return undo


def _main(argv: list[str]) -> int:
    if any(word in ("--help", "-h", "--helpfull") for word in argv):
        return _help()
    values = flags.FlagValues()
    define_flags(values)
    config, overrides = configlib.parse(argv, values)
    asked = configlib.config_path(argv)
    on_sample = config.data.dir is None
    if on_sample and values.mode != "plan":
        values = flags.FlagValues()
        define_flags(values)
        words = configlib.with_variant(argv, "small")
        config, overrides = configlib.parse(words, values)
        asked = configlib.config_path(words)
    bounds.check(config)
    if config.train.deterministic:
        os.environ["XLA_FLAGS"] = (
            os.environ.get("XLA_FLAGS", "") + " --xla_gpu_deterministic_ops=true"
        )
    if values.mode == "plan":
        from affectjax import plan

        print(plan.of_config(config, values.cpu_devices, values.topology))
        return COMPLETE

    from affectjax import hosts  # jax starts from here on

    cache = os.path.expanduser(values.compile_cache) or None
    hosts.start(
        values.coordinator,
        values.processes,
        values.process,
        values.cpu_devices,
        values.cluster,
        cache,
        values.start_timeout,
        values.heartbeat,
    )
    workdir = pathlib.Path(values.workdir or default_workdir(argv))
    if on_sample:
        hosts.say(
            "no dataset given (data.dir): this is the variant `small` on the built-in sample, "
            "invented stories made in seconds; say --config.data.dir=DIR for real records"
        )
    if values.mode == "eval":
        return _evaluate(config, pathlib.Path(values.export or workdir))
    if values.mode == "export":
        return _export(config, workdir)
    return _train(config, workdir, on_sample, {"config": asked, "overrides": overrides})


def _train(config, workdir: pathlib.Path, on_sample: bool, asked: dict) -> int:
    """Walk the recipe: run what is left, skip what is finished."""
    from affectjax import hosts, recipes, train

    if hosts.is_first():
        _claim(workdir, config, asked)
    hosts.barrier("workdir claimed")
    hosts.agree(json.dumps(_bound(config)), "the config", "Give every process the same flags.")
    recipe = recipes.of(config)
    finished: dict[str, dict] = {}
    stop = hosts.Stop()
    with hosts.sole_use(workdir):
        while (run := recipe.next_run(config, finished)) is not None:
            if stop.agreed():
                hosts.say("stopped between two runs; the same command goes on")
                return REQUEUE
            folder = workdir / run.name
            result = folder / "result.json"
            if result.exists() and (folder / "export" / "model.safetensors").exists():
                finished[run.name] = _read_json(result)
                hosts.say(f"complete: {folder} was trained to the end before")
                continue
            folder.mkdir(parents=True, exist_ok=True)
            if run.name:
                hosts.say(f"\nnext of this recipe: {run.name}")
            try:
                finished[run.name] = train.run(run.config, folder, run.init_from, stop)
            except train.Stopped as stopped:
                hosts.say(str(stopped))
                return REQUEUE
            except train.Diverged as diverged:
                print(f"error: {diverged}", file=sys.stderr, flush=True)
                return FAULT
            except FileNotFoundError as error:
                if folder.is_dir():
                    raise
                raise UserError(
                    "the workdir is gone", str(folder), "Bring it back; the same command goes on."
                ) from error
    hosts.say("")
    for key, value in recipe.summary(finished).items():
        hosts.say(f"{key:32} {_number(value)}")
    if on_sample and hosts.is_first():
        _beside_the_truth(config, recipe.summary(finished))
    hosts.say("\n".join(f"export: {found['export']}" for found in finished.values()))
    return COMPLETE


def _beside_the_truth(config, metrics: dict) -> None:
    """On the sample the best and the least that can be known are known: print them all."""
    from affectjax.data import sample

    if metrics.get("word_top1") is None or metrics.get("time_top1") is None:
        return
    stories = sample.make(config.data.sample_size, config.data.sample_seed)
    known = sample.references(stories, config.data.test)
    words, times = known["words"], known["time"]
    print(
        f"\non held-out sources of the sample  {'model':>8} {'floor':>8} {'oracle':>8}\n"
        f"{'masked word, top-1':33} {metrics['word_top1']:8.4f} {words['frequent_word']:8.4f} "
        f"{words['oracle']:8.4f}   floor: the commonest emotional word\n"
        f"{'appearing time, top-1':33} {metrics['time_top1']:8.4f} {times['prior']['top1']:8.4f} "
        f"{times['oracle']['top1']:8.4f}   floor: the commonest segment\n",
        flush=True,
    )


def _evaluate(config, folder: pathlib.Path) -> int:
    """Score an export on the test part of the dataset."""
    from affectjax import assemble, evaluate, export, hosts, sharding

    if not (folder / "config.json").exists() or (folder / "export").is_dir():
        folder = folder / "export"
    loaded = export.load(folder)
    own = loaded.config
    with own.unlocked():
        own.data, own.train, own.mesh = config.data, config.train, config.mesh
    found = assemble.data(own)
    if "test" not in found.parts:
        raise UserError("data.test names no split to evaluate on")
    if loaded.vocabulary is not None:
        rate = loaded.vocabulary.oov_rate(found.dataset.words())
        hosts.say(f"vocabulary: {rate:.2%} of the dataset's words are outside it")
    hosts.say(f"data: {found.describe()}")
    if loaded.about["dataset"]["digest"] != found.dataset.digest:
        hosts.say(f"note: it was trained on another dataset, {loaded.about['dataset']['name']}")
    mesh = sharding.make_mesh(**configlib.arguments(config.mesh))
    metrics, _, ids = evaluate.evaluate(
        evaluate.predictor(loaded.model, mesh),
        loaded.model,
        loaded.params,
        loaded.model_state,
        found.parts["test"],
        loaded.examples,
        mesh,
        config.train.batch,
        config.train.workers,
        config.train.bad_records,
    )
    hosts.say(f"{len(set(ids))} clips, every one counted once")
    for key, value in metrics.items():
        hosts.say(f"{key:32} {_number(value)}")
    return COMPLETE


def _export(config, workdir: pathlib.Path) -> int:
    """Write the export of the newest good checkpoint of a run, finished or not."""
    from affectjax import hosts, train

    if not (workdir / "config.json").exists():
        raise UserError("not a workdir", str(workdir), "Train first, or say --workdir=DIR.")
    if (workdir / "result.json").exists():
        print(f"complete: the run is finished, and its export stands in {workdir / 'export'}")
        return COMPLETE
    _claim(workdir, config)
    with hosts.sole_use(workdir):
        hosts.say(f"export: {train.export_newest(config, workdir)}")
    return COMPLETE


def default_workdir(argv: list[str]) -> str:
    """.runs/<config>-<variants>, from the config's path and variants."""
    path, _, arg = configlib.config_path(argv).partition(":")
    return str(
        pathlib.Path(".runs") / "-".join([pathlib.Path(path).stem, *filter(None, arg.split(","))])
    )


def _read_json(path: pathlib.Path) -> dict:
    """A file that an earlier run left; one that is damaged is named."""
    try:
        found = json.loads(path.read_text())
        if isinstance(found, dict):
            return found
    except (ValueError, UnicodeDecodeError):
        pass
    raise UserError("a file of the run is damaged", str(path), "Remove it; the run then goes on.")


def _number(value: float | None) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{value:.4f}"


def _bound(config) -> dict:
    """The keys that make a run what it is."""
    return {k: v for k, v in configlib.flatten(config).items() if not k.startswith(MOVABLE)}


def _claim(workdir: pathlib.Path, config, asked: dict | None = None) -> None:
    """Write the run's config into the workdir, or hold it against the one that is there.

    `asked` is what the command line said, the config's path with its variants and the overrides:
    config.json says what was run, and command.json under which name, for the report's tables.
    """
    path = workdir / "config.json"
    begun = any(workdir.rglob("checkpoints/*/host")) or any(workdir.rglob("result.json"))
    if path.exists() and begun:  # a run that never got to a checkpoint binds nobody
        before, now = _read_json(path), json.loads(json.dumps(_bound(config)))
        differing = [k for k in sorted({*before, *now}) if before.get(k) != now.get(k)]
        if differing:
            key = "data.dir" if "data.dir" in differing else differing[0]
            raise UserError(
                f"the workdir belongs to another config: {key} is {now.get(key)!r} here and "
                f"{before.get(key)!r} there"
                + (f" ({len(differing) - 1} more differ)" if len(differing) > 1 else ""),
                str(workdir),
                "Say another --workdir, or remove this one.",
            )
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        if asked is not None:
            given = configlib.to_plain(asked["overrides"]).items()
            own = {k: v for k, v in given if k == "train.init_from" or not k.startswith(MOVABLE)}
            _write_json(workdir / "command.json", asked | {"overrides": own})
        _write_json(path, _bound(config))
    except OSError as error:
        raise UserError(
            f"the workdir cannot be written: {error.strerror}", str(workdir), "Say --workdir=DIR."
        ) from error


def _write_json(path: pathlib.Path, value: dict) -> None:
    files.put(path, json.dumps(value, indent=1))


def _help() -> int:
    values = flags.FlagValues()
    define_flags(values)
    print(__doc__)
    print("  --config=FILE[:VARIANT,...]   the experiment; --config.SECTION.KEY=VALUE overrides")
    print(values.get_help())
    return COMPLETE


if __name__ == "__main__":
    try:
        status = main(sys.argv)
    except Exception:
        traceback.print_exc()
        status = FAULT
    sys.stdout.flush()
    # A process that fails must not wait at the exit for the others of its job, nor they for it, nor
    # for threads that wait for what the failure took from them (a save, a worker).
    if status in (BAD_INPUT, FAULT):
        os._exit(status)
    sys.exit(status)
