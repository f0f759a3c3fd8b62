"""Losses of classes, one number an example; a label of -1 is unknown and weighs nothing."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from affectjax.errors import UserError

Sum = tuple[jax.Array, jax.Array]  # (sum [B], weight [B])


@jax.custom_vjp
def surprisal(logits: jax.Array, label: jax.Array) -> jax.Array:
    """logits float32 [..., K], label int [...] -> minus the log probability of the label, [...].

    For many classes: the gradient is made in one pass over the logits, where XLA's own keeps their
    exponentials and scatters into zeros, seven arrays of [..., K] in all.
    """
    return _surprisal(logits, label)[0]


def _surprisal(logits, label):
    total = jax.nn.logsumexp(logits, axis=-1)
    own = jnp.take_along_axis(logits, label[..., None], axis=-1)[..., 0]
    return total - own, (logits, label, total)


def _surprisal_backward(saved, g):
    logits, label, total = saved
    here = jnp.arange(logits.shape[-1]) == label[..., None]
    return (jnp.exp(logits - total[..., None]) - here) * g[..., None], None


surprisal.defvjp(_surprisal, _surprisal_backward)


def cross_entropy(logits: jax.Array, label: jax.Array, weight: jax.Array) -> Sum:
    """logits [B, K], label int [B], weight [B] -> (loss [B], weight [B])."""
    log = jax.nn.log_softmax(logits.astype(jnp.float32))
    hit = jnp.take_along_axis(log, jnp.maximum(label, 0)[:, None], axis=1)[:, 0]
    known = (label >= 0) * weight
    return jnp.where(known > 0, -hit, 0.0) * known, known


def polarity_consistent(
    logits: jax.Array,
    label: jax.Array,
    weight: jax.Array,
    positive: Sequence[bool],
    penalty: float,
) -> Sum:
    """Cross-entropy, times 1 + penalty where the likeliest class has the other polarity.

    `positive` says it of each of the K classes. The factor is a count: nothing differentiates it.
    """
    polarity = jnp.asarray(positive)
    other = polarity[logits.argmax(-1)] != polarity[jnp.maximum(label, 0)]
    total, known = cross_entropy(logits, label, weight)
    return total * (1.0 + penalty * jax.lax.stop_gradient(other.astype(jnp.float32))), known


def polarity_table(outputs: Sequence[str], positive: Sequence[str]) -> tuple[bool, ...]:
    """Which of the classes are positive; every name in `positive` must be one of them."""
    unknown = [name for name in positive if name not in outputs]
    if unknown:
        raise UserError(
            f"'{unknown[0]}' is not among the classes",
            "model.positive",
            f"Choose from {', '.join(outputs)}.",
        )
    if not 0 < len(set(positive)) < len(outputs):
        raise UserError(
            "all classes have one polarity, so nothing can differ in it",
            "model.positive",
            "Name the positive classes, or set model.penalty=0.",
        )
    return tuple(name in positive for name in outputs)
