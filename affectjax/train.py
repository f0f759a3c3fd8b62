"""The loop: every model and every stage is trained here, on any mesh, and resumes to the bit."""

import contextlib
import json
import math
import pathlib

import jax
import numpy as np
from ml_collections import config_dict

from affectjax import (
    checkpoint,
    clock,
    compiling,
    configlib,
    evaluate,
    export,
    files,
    hosts,
    initialise,
    logs,
    prepare,
    sharding,
    update,
    watchdog,
)
from affectjax.data import pipeline
from affectjax.errors import UserError


class Stopped(Exception):
    """The run was asked to stop and has saved; the same command goes on."""


class Diverged(UserError):
    """A loss or gradient was not finite; the last good state has been saved."""


def run(
    config: config_dict.ConfigDict,
    workdir: pathlib.Path,
    init_from: str | tuple[str, ...] | None = None,
    stop: hosts.Stop | None = None,
) -> dict:
    """Train until the steps are done; gives the result that is also written to result.json."""
    stop = stop or hosts.Stop()
    training = Training(*prepare.prepare(config, workdir, init_from))
    with stop.listening():
        return training.run(stop)


def export_newest(config: config_dict.ConfigDict, workdir: pathlib.Path) -> pathlib.Path:
    """Export the newest good checkpoint of a run as it stands; gives the folder."""
    if not checkpoint.steps(workdir / "checkpoints"):
        raise UserError("no checkpoint to export", str(workdir), "Train first.")
    training = Training(*prepare.prepare(config, workdir, going_on=True))
    found = training.saves.restore(training.like)
    if found is None:
        raise UserError("no checkpoint is whole", str(workdir), "Train again.")
    training.state, training.host, step = found
    prepare.check_words(training.words, training.host["vocabulary"], workdir)
    hosts.say(f"the checkpoint of step {step} of {training.steps}")
    return training.export({})


class Training:
    """A run under way, from what was prepared; `run` walks the steps."""

    def __init__(self, parts: prepare.Parts, start: prepare.Start):
        self.config, self.settings, self.mesh = parts.config, parts.settings, parts.mesh
        self.workdir, self.data, self.words = parts.workdir, parts.data, parts.words
        self.examples, self.model, self.train = parts.examples, parts.model, parts.train
        self.steps, self.steps_per_epoch = parts.steps, parts.steps_per_epoch
        self.optimizer, self.schedule, self.state, self.like = start
        self.start = parts.start
        self.saves = checkpoint.Checkpoints(
            self.workdir / "checkpoints", **configlib.arguments(self.config.checkpoint)
        )
        self.host = {
            "best": None,
            "best_step": None,
            "validation": {},
            "waited": 0,
            "skipped": 0,
            "data": self.data.dataset.digest,
            "vocabulary": self.words.digest if self.words else None,
            "start": self.start,
        }
        self.predict = evaluate.predictor(self.model, self.mesh)
        self._parts: dict[str, np.ndarray] = {}
        self.log = logs.Log(self.workdir, hosts.is_first(), self.steps, self.settings.tensorboard)

    def run(self, stop: hosts.Stop) -> dict:
        """All steps that are left, then evaluation on the test part and the export."""
        begin = self._resume()
        self.watchdog = watchdog.Watchdog(
            self.workdir / ".alive",
            self.settings.stuck_after,
            jax.process_index(),
            jax.process_count(),
        )
        lost = False
        try:
            if begin < self.steps and not self._patience_is_over():
                self._steps(begin, stop)
            result = self._finish(stop)
            self.saves.close()
            return result
        except Stopped:
            raise
        except Exception as error:
            # What the exchange between processes raises, when one of them has gone.
            lost = jax.process_count() > 1 and isinstance(error, jax.errors.JaxRuntimeError)
            self.watchdog.ended(error, lost)
            raise
        finally:
            if not lost:  # else a save under way would wait for the one that has gone
                with contextlib.suppress(Exception):  # it ends; an error is on its way
                    self.saves.close()
            self.watchdog.close()
            self.log.close()

    def _resume(self) -> int:
        found = self.saves.restore(self.like)
        if found is None:
            self.log.cut(0)
            s = self.settings
            self.state = initialise.from_networks(
                self.state, self.config.model, s.init_from_weights, s.init_new, s.init_drop
            )
            return 0
        self.state, self.host, step = found
        prepare.check_words(self.words, self.host["vocabulary"], self.workdir)
        prepare.check_start(self.start, self.host.setdefault("start", self.start), self.workdir)
        prepare.check_dataset(self.data, self.host["data"])
        self.log.cut(step)
        hosts.say(f"resumed at step {step} of {self.steps}")
        return step

    def _steps(self, begin: int, stop: hosts.Stop) -> None:
        s = self.settings
        step_of = update.make(
            self.model,
            self.optimizer,
            self.schedule,
            self.mesh,
            jax.tree.map(lambda leaf: leaf.sharding, self.like),
            loss=dict(self.config.loss),
            seed=s.seed,
            micro_batches=s.micro_batches,
            ema=s.ema,
            log_every=s.log_every,
            compiler_options=compiling.options(compiling.width_of(self.like["params"])),
        )
        rows = sharding.host_rows(self.mesh, s.batch)
        hosts.say("compiling the step; the first time this takes a minute or so")
        batches = pipeline.train_batches(
            self.train,
            self.examples,
            batch=s.batch,
            seed=s.seed,
            rows=rows,
            start=begin,
            workers=s.workers,
            bad_records=s.bad_records,
        )
        placed = sharding.batch_sharding(self.mesh)
        timer = clock.Clock(s.batch, len(rows))

        def fetch():
            host = timer.waiting(lambda: next(batches))
            work = clock.work(self.model, host.arrays)
            for message in host.bad:
                print(f"skipped: {message}", flush=True)
            return (host.ids, work), sharding.to_global(host.arrays, placed)

        pending, facts, batch = None, *fetch()
        for step in range(begin, self.steps):
            if stop.agreed():
                self._settle(pending, timer)
                self.saves.save(step, self.state, self.host)
                self.saves.wait()
                batches.close()
                raise Stopped(f"stopped at step {step} of {self.steps}; the same command goes on")
            self.state, report = step_of(self.state, batch)
            before, pending = pending, (step + 1, report, *facts)
            done = step + 1
            self.watchdog.beat("waiting for input", done)
            if done < self.steps:
                facts, batch = fetch()  # while the device works
            self.watchdog.beat("running a step", done)
            self._settle(before, timer)
            last = done == self.steps
            evaluates = "validation" in self.data.parts and (
                last or (s.evaluate_every and done % s.evaluate_every == 0)
            )
            saves = last or done % s.checkpoint_every == 0
            if evaluates or saves:
                self._settle(pending, timer)
                pending = None
            with timer.paused():
                metrics = self._validate(done) if evaluates else None
                if saves or self.host["best_step"] == done:
                    self.watchdog.beat("saving", done)
                    self.saves.save(done, self.state, self.host, metrics)
            if self._patience_is_over():
                hosts.say(
                    f"no better {self.saves.best} for {s.patience} evaluations: stopped at {done}"
                )
                break
        self._settle(pending, timer)
        batches.close()
        self.saves.save(int(self.state["step"]), self.state, self.host)
        self.saves.wait()

    def _settle(self, pending, timer) -> None:
        """Read the report of a step that is done: log it, or stop at the first bad one."""
        if pending is None:
            return
        step, report, ids, work = pending
        report = jax.device_get(report)
        if not report["ok"]:
            self._diverged(step, report, ids)
        self.host["skipped"] += int(report["empty"])
        if self.host["skipped"] > self.settings.bad_limit:
            raise UserError(
                f"{self.host['skipped']} records could not be read",
                str(self.data.dataset.folder),
                "Build the dataset again, or raise train.bad_limit.",
            )
        timer.step(work)
        self.log.tick(step)
        if step % self.settings.log_every == 0 or step == self.steps:
            means = {k: float(s / w) if w else 0.0 for k, (s, w) in report["window"].items()}
            tasks = [k for k in means if k != "grad_norm"]
            values = {"loss": sum(self.config.loss.get(k, 1.0) * means[k] for k in tasks)}
            values |= {f"loss/{k}": means[k] for k in tasks}
            values |= {
                "grad_norm": means["grad_norm"],
                "learning_rate": float(report["learning_rate"]),
                "epoch": step / self.steps_per_epoch,
                "skipped": self.host["skipped"],
            }
            self.log.write(step, "train", values | timer.read())

    def _diverged(self, step: int, report: dict, ids: list[str]) -> None:
        good = int(self.state["step"])
        self.state["ok"] = jax.device_put(np.bool_(True), self.like["ok"].sharding)
        self.saves.save(good, self.state, self.host)
        self.saves.wait()
        rows = sharding.host_rows(self.mesh, self.settings.batch)
        broken = [name for row, name in zip(rows, ids) if report["broken"][row]] or ids
        raise Diverged(
            f"the loss or its gradient is not finite at step {step}",
            f"clips {', '.join(broken)}",
            f"The state of step {good} is saved. Lower optim.learning_rate, set optim.clip, or "
            "look at these clips.",
        )

    def _weights(self, where: dict) -> tuple:
        return (where["ema"] if self.settings.ema else where["params"]), where["model_state"]

    def _score(self, part: str, stop: hosts.Stop | None = None) -> dict[str, float]:
        """Metrics of a part; with `stop`, the scoring is given up when the job is to stop."""
        if part not in self._parts:
            self._parts[part] = pipeline.count_parts(
                self.data.parts[part], self.examples, bad_records=self.settings.bad_records
            )
        params, model_state = self._weights(self.state)
        step = int(self.state["step"])

        def beat():
            self.watchdog.beat(f"scoring {part}", step)
            if stop and stop.agreed():
                raise Stopped(f"stopped while scoring {part}; the same command goes on")

        metrics, arrays, ids = evaluate.evaluate(
            self.predict,
            self.model,
            params,
            model_state,
            self.data.parts[part],
            self.examples,
            self.mesh,
            self.settings.batch,
            self.settings.workers,
            self.settings.bad_records,
            self._parts[part],
            beat=beat,
        )
        if metrics.get("skipped", 0) > self.settings.bad_limit:
            raise UserError(
                f"{metrics['skipped']:.0f} clips of the part '{part}' could not be read",
                str(self.data.dataset.folder),
                "Write the dataset again, or raise train.bad_limit.",
            )
        if part == "test" and hosts.is_first():
            path = self.workdir / "predictions_test.csv"
            names = self.model.columns() if hasattr(self.model, "columns") else {}
            evaluate.write_predictions(path, ids, self.data.parts[part], arrays, names)
        return metrics

    def _validate(self, step: int) -> dict[str, float]:
        metrics = self._score("validation")
        self.log.write(step, "validation", metrics)
        name = self.saves.best
        if name:
            if name not in metrics:
                raise UserError(
                    f"no metric '{name}' to choose by",
                    "checkpoint.best",
                    f"Known: {', '.join(metrics)}.",
                )
            sign = 1 if self.saves.mode == "max" else -1
            before = self.host["best"]
            # an undefined metric is no better than any, nor than none
            if sign * metrics[name] > (-math.inf if before is None else sign * before):
                self.host |= {"best": metrics[name], "best_step": step, "waited": 0}
                self.host["validation"] = _plain(metrics)
            else:
                self.host["waited"] += 1
        return metrics

    def _patience_is_over(self) -> bool:
        return bool(self.settings.patience) and self.host["waited"] >= self.settings.patience

    def export(self, metrics: dict[str, float]) -> pathlib.Path:
        """Write the present weights as an export; gives the folder."""
        folder = self.workdir / "export"
        params, model_state = self._weights(self.state)
        export.save(
            folder, self.config, params, model_state, self.words, self.data.dataset, metrics
        )
        return folder

    def _finish(self, stop: hosts.Stop) -> dict:
        """Score the chosen weights on the test part, export them, write result.json."""
        last = int(self.state["step"])
        chosen = self.host["best_step"] or last
        if chosen != last:
            found = self.saves.restore(self.like, step=chosen)
            self.state = found[0]
        result = {"steps": last, "exported_step": chosen, "metrics": {}}
        result |= {"data": self.data.dataset.digest, "start": self.host["start"]}
        result["validation"] = self.host["validation"]  # of the exported step, where it was chosen
        if "test" in self.data.parts:
            scores = self._score("test", stop)
            self.log.write(last, "test", scores)
            result["metrics"] = _plain(scores)
        result["export"] = str(self.export(result["metrics"]))
        if hosts.is_first():
            files.put(self.workdir / "result.json", json.dumps(result, indent=1))
        hosts.barrier("result written")
        return result


def _plain(metrics: dict[str, float]) -> dict[str, float | None]:
    """For JSON, which knows no NaN: a metric that is not defined here is null."""
    return {k: v if math.isfinite(v) else None for k, v in metrics.items()}
