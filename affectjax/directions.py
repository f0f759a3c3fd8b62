"""Where Adam and momentum step to; their moments are renewed in place, or stay as they were.

As optax has them, but for two things that keep XLA from copying parameters and moments before each
step: what must not change where `ok` is False is chosen in the same expression, and the direction
is read from the new moments, not made from the old ones once more.
"""

import jax
import jax.numpy as jnp
import optax


def adam(b1: float, b2: float, eps: float) -> optax.GradientTransformationExtraArgs:
    """optax.scale_by_adam, with `ok`."""

    def update(gradient, state, params=None, *, ok=True, **_):
        del params
        count = optax.safe_increment(state.count)
        mu, nu = (
            _renewed(old, gradient, decay, order, ok)
            for old, decay, order in ((state.mu, b1, 1), (state.nu, b2, 2))
        )
        mu, nu = jax.lax.optimization_barrier((mu, nu))
        first, second = (1 - decay ** count.astype(jnp.float32) for decay in (b1, b2))
        step = jax.tree.map(lambda m, v: (m / first) / (jnp.sqrt(v / second) + eps), mu, nu)
        return step, optax.ScaleByAdamState(jnp.where(ok, count, state.count), mu, nu)

    return optax.GradientTransformationExtraArgs(optax.scale_by_adam(b1, b2, eps).init, update)


def momentum(decay: float) -> optax.GradientTransformationExtraArgs:
    """optax.trace, with `ok`."""

    def update(gradient, state, params=None, *, ok=True, **_):
        del params
        trace = jax.tree.map(
            lambda g, old: jnp.where(ok, g + decay * old, old), gradient, state.trace
        )
        trace = jax.lax.optimization_barrier(trace)
        return trace, optax.TraceState(trace)

    return optax.GradientTransformationExtraArgs(optax.trace(decay).init, update)


def guarded(inner: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """A transformation with a small state, which stays as it was where `ok` is False."""

    def update(gradient, state, params=None, *, ok=True, **_):
        step, new = inner.update(gradient, state, params)
        return step, jax.tree.map(lambda now, old: jnp.where(ok, now, old), new, state)

    return optax.GradientTransformationExtraArgs(inner.init, update)


def _renewed(old, gradient, decay: float, order: int, ok):
    return jax.tree.map(
        lambda m, g: jnp.where(ok, (1 - decay) * g**order + decay * m, m), old, gradient
    )
