"""One optimiser step as a pure function: (state, batch) -> (state, report), guarded and jitted.

The loss of a step is sum_k w_k S_k / W_k, where S_k and W_k are task k's sum and weight over the
whole global batch: over micro-batches, devices and hosts. A step whose loss or gradient is not
finite changes nothing, and neither does any step after it: the state stays the last good one.
"""

import jax
import jax.numpy as jnp
import optax

from affectjax import sharding


def make(
    model,
    optimizer,
    schedule,
    mesh,
    state_shardings,
    *,
    loss: dict[str, float],
    seed: int,
    micro_batches: int = 1,
    ema: float = 0.0,
    log_every: int = 1,
    compiler_options: dict[str, str] | None = None,
):
    """The jitted update; `loss` weighs the model's tasks by name (1 where it names none).

    `optimizer` is of `optim.build`: it keeps its own state where a step is not finite.
    """

    def tasks_of(params, model_state, batch, key):
        """{task: (sum, weight)} over the rows, rows whose sum is not finite, new model state."""
        (tasks, _), changed = model.apply(
            {"params": params, **model_state},
            batch,
            train=True,
            method="loss",
            rngs={"dropout": key},
            mutable=list(model_state),
        )
        row_weight = batch["weight"]
        broken = sum(~jnp.isfinite(s) for s, _ in tasks.values()) > 0
        sums = {
            k: (jnp.sum(s * row_weight), jnp.sum(w * row_weight)) for k, (s, w) in tasks.items()
        }
        return sums, broken, changed

    def gradients(params, model_state, batch, key):
        """Gradient of the step's loss, task sums and weights, broken rows, new model state."""
        micro = jax.tree.map(lambda x: _split(x, micro_batches, mesh), batch)
        keys = jax.random.split(key, micro_batches)

        def weights_of(one):
            sums, _, _ = tasks_of(params, model_state, one[0], one[1])
            return {k: w for k, (_, w) in sums.items()}

        totals = None
        if micro_batches > 1:
            # Weights depend on the batch alone, so the compiler drops the network from this pass.
            totals = jax.tree.map(
                lambda w: jax.lax.stop_gradient(w.sum(0)), jax.lax.map(weights_of, (micro, keys))
            )

        def objective(params, model_state, batch, key):
            sums, broken, changed = tasks_of(params, model_state, batch, key)
            whole = totals or {k: jax.lax.stop_gradient(w) for k, (_, w) in sums.items()}
            value = sum(
                loss.get(k, 1.0) * s / jnp.maximum(whole[k], 1e-9) for k, (s, _) in sums.items()
            )
            return value, ({k: s for k, (s, _) in sums.items()}, whole, broken, changed)

        def one(carry, item):
            grads, sums, model_state = carry
            (_, (s, _, broken, changed)), g = jax.value_and_grad(objective, has_aux=True)(
                params, model_state, *item
            )
            return (
                jax.tree.map(jnp.add, grads, g),
                jax.tree.map(jnp.add, sums, s),
                changed,
            ), broken

        if micro_batches == 1:
            first = jax.tree.map(lambda x: x[0], (micro, keys))
            (_, (sums, totals, broken, changed)), grads = jax.value_and_grad(
                objective, has_aux=True
            )(params, model_state, *first)
        else:
            zeros = (
                jax.tree.map(jnp.zeros_like, params),
                {k: jnp.zeros(()) for k in totals},
                model_state,
            )
            (grads, sums, changed), broken = jax.lax.scan(one, zeros, (micro, keys))
            broken = jnp.moveaxis(broken, 0, 1).reshape(-1)  # back to the batch's order of rows
        return grads, sums, totals, broken, changed

    def update(state, batch):
        key = jax.random.fold_in(jax.random.key(seed), state["step"])
        params, model_state = state["params"], state["model_state"]
        grads, sums, weights, broken, changed = gradients(params, model_state, batch, key)
        norm = optax.global_norm(grads)
        value = sum(loss.get(k, 1.0) * sums[k] / jnp.maximum(weights[k], 1e-9) for k in sums)
        ok = state["ok"] & jnp.isfinite(value) & jnp.isfinite(norm)
        steps, opt = optimizer.update(grads, state["opt"], params, ok=ok)
        new = {
            "step": state["step"] + 1,
            "params": optax.apply_updates(params, steps),
            "model_state": changed,
            "window": _window(state, sums, weights, norm, log_every),
        }
        new = {
            key: jax.tree.map(lambda now, old: jnp.where(ok, now, old), value, state[key])
            for key, value in new.items()
        }
        new |= {"opt": opt, "ema": {}}
        if ema:  # read from the new parameters as they stand, or XLA copies what made them
            now = jax.lax.optimization_barrier(new["params"])
            new["params"] = now
            new["ema"] = jax.tree.map(
                lambda old, now: jnp.where(ok, old + (1 - ema) * (now - old), old),
                state["ema"],
                now,
            )
        report = {
            "ok": ok,
            "broken": broken,
            "empty": jnp.sum(batch["weight"] == 0),
            "window": new["window"],
            "learning_rate": schedule(state["step"]),
        }
        return new | {"ok": ok}, report

    replicated = sharding.replicated(mesh)
    return jax.jit(
        update,
        in_shardings=(state_shardings, sharding.batch_sharding(mesh)),
        out_shardings=(state_shardings, replicated),
        donate_argnums=0,
        compiler_options=compiler_options,
    )


def window(tasks: list[str]) -> list[str]:
    """Of which quantities the state keeps running sums between two lines of the log."""
    return [*sorted(tasks), "grad_norm"]


def _window(state, sums, weights, norm, log_every):
    """Add a step; the first step after a line of the log starts anew."""
    keep = (state["step"] % log_every != 0).astype(jnp.float32)
    now = {k: jnp.stack([sums[k], weights[k]]) for k in sums}
    now["grad_norm"] = jnp.stack([norm, jnp.ones(())])
    return {k: state["window"][k] * keep + now[k] for k in now}


def _split(x, parts: int, mesh):
    """[B, ...] -> [parts, B / parts, ...]; each device keeps the rows it has."""
    x = x.reshape(x.shape[0] // parts, parts, *x.shape[1:]).swapaxes(0, 1)
    if parts == 1:
        return x
    spec = jax.sharding.PartitionSpec(None, *sharding.batch_sharding(mesh).spec)
    return jax.lax.with_sharding_constraint(x, jax.sharding.NamedSharding(mesh, spec))
