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

from affectjax import bounds, configlib, exits, workdir
from affectjax.errors import BAD_INPUT, COMPLETE, FAULT, REQUEUE, UserError

MODES = ("train", "eval", "export", "plan")
AGAIN = "the same command goes on from the last checkpoint"


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
    # Atomic sums set the copies of a leaf apart where `tensor` peers make its gradient each alone.
    if config.train.deterministic or config.mesh.tensor != 1:
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
    folder = pathlib.Path(values.workdir or default_workdir(argv))
    if on_sample:
        hosts.say(
            "no dataset given (data.dir): this is the variant `small` on the built-in sample, "
            "invented stories made in seconds; say --config.data.dir=DIR for real records"
        )
    if values.mode == "eval":
        return _evaluate(config, pathlib.Path(values.export or folder))
    if values.mode == "export":
        return _export(config, folder)
    return _train(config, folder, on_sample, {"config": asked, "overrides": overrides})


def _train(config, folder: pathlib.Path, on_sample: bool, asked: dict) -> int:
    """Walk the recipe: run what is left, skip what is finished."""
    from affectjax import hosts, prepare, recipes, train

    hosts.agree(
        json.dumps(workdir.bound(config)), "the config", "Give every process the same flags."
    )
    recipe = recipes.of(config)
    finished: dict[str, dict] = {}
    stop = hosts.Stop()
    with workdir.held(folder, config, asked):
        while (run := recipe.next_run(config, finished)) is not None:
            if stop.agreed():
                hosts.say("stopped between two runs; the same command goes on")
                return REQUEUE
            place = folder / run.name
            if (before := workdir.finished(place)) is not None:
                prepare.check_finished(before, run.config, run.init_from, place)
                finished[run.name] = before
                hosts.say(f"complete: {place} was trained to the end before")
                continue
            place.mkdir(parents=True, exist_ok=True)
            if run.name:
                hosts.say(f"\nnext of this recipe: {run.name}")
            try:
                finished[run.name] = train.run(run.config, place, run.init_from, stop)
            except train.Stopped as stopped:
                hosts.say(str(stopped))
                return REQUEUE
            except train.Diverged as diverged:
                print(f"error: {diverged}", file=sys.stderr, flush=True)
                return FAULT
            except FileNotFoundError as error:
                if place.is_dir():
                    raise
                raise UserError(
                    "the workdir is gone", str(place), "Bring it back; the same command goes on."
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
    from affectjax.data import sample, sample_world

    if metrics.get("word_top1") is None or metrics.get("time_top1") is None:
        return
    told, longest = config.examples, sample_world.CONSTANTS["segments"][1]
    other = abs(told.segment_seconds - sample_world.SEGMENT_SECONDS) > 1e-9
    if told.masking != "emotional" or told.comment_lag or config.model.segments < longest or other:
        return  # then it was asked another thing than those who know
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
    import jax

    from affectjax import assemble, evaluate, export, hosts, sharding
    from affectjax.data import records

    if not (folder / "config.json").exists() or (folder / "export").is_dir():
        folder = folder / "export"
    loaded = export.load(folder)
    own = loaded.config
    trained_on = own.data.get("partition")
    with own.unlocked():
        own.data, own.train, own.mesh = config.data, config.train, config.mesh
    if own.data.partition is None and own.data.dir:
        divided = records.open_dataset(own.data.dir).metadata.get("partitions")
        own.data.partition = trained_on if divided else None
    found = assemble.data(own)
    if "test" not in found.parts:
        raise UserError("data.test names no split to evaluate on")
    if loaded.vocabulary is not None:
        rate = loaded.vocabulary.oov_rate(found.dataset.words())
        hosts.say(f"vocabulary: {rate:.2%} of the dataset's words are outside it")
    hosts.say(f"data: {found.describe()}")
    if loaded.about["dataset"]["digest"] != found.dataset.digest:
        hosts.say(f"note: it was trained on another dataset, {loaded.about['dataset']['name']}")
    elif own.data.partition != trained_on:
        hosts.say(f"note: it was trained on partition {trained_on} of this dataset, and so on some "
                  "of the clips that are scored")  # fmt: skip
    mesh = sharding.make_mesh(**configlib.arguments(config.mesh))
    params, model_state = jax.device_put(
        (loaded.params, loaded.model_state), sharding.replicated(mesh)
    )
    metrics, _, ids = evaluate.evaluate(
        evaluate.predictor(loaded.model, mesh),
        loaded.model,
        params,
        model_state,
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


def _export(config, folder: pathlib.Path) -> int:
    """Write the export of the newest good checkpoint of the run that is under way."""
    from affectjax import hosts, recipes, train

    if not (folder / "config.json").exists():
        raise UserError("not a workdir", str(folder), "Train first, or say --workdir=DIR.")
    recipe, finished = recipes.of(config), {}
    with workdir.held(folder, config):
        while (run := recipe.next_run(config, finished)) is not None:
            if (before := workdir.finished(folder / run.name)) is None:
                hosts.say(f"export: {train.export_newest(run.config, folder / run.name)}")
                return COMPLETE
            finished[run.name] = before
    exports = ", ".join(found["export"] for found in finished.values())
    hosts.say(f"complete: every run is finished; exported: {exports}")
    return COMPLETE


def default_workdir(argv: list[str]) -> str:
    """.runs/<config>-<variants>, from the config's path and variants."""
    path, _, arg = configlib.config_path(argv).partition(":")
    return str(
        pathlib.Path(".runs") / "-".join([pathlib.Path(path).stem, *filter(None, arg.split(","))])
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{value:.4f}"


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
    if status == REQUEUE:  # a launcher ends the others when the first has left, and all have saved
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(status)
