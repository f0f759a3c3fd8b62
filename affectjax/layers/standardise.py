"""Features brought to mean 0 and deviation 1 by constants that travel with the parameters."""

import flax.linen as nn
import jax
import jax.numpy as jnp

COLLECTION = "statistics"


class Standardise(nn.Module):
    """x [..., D] -> float32 [..., D]; the constants start neutral and the data's are put in.

    They are no parameters: nothing trains them, and they are saved and exported with the rest. A
    feature that never varied in training (deviation 0) gives 0.
    """

    width: int

    @nn.compact
    def __call__(self, x: jax.Array, back: bool = False) -> jax.Array:
        """x in units of the deviation; `back`: such an x in the data's own units again."""
        mean = self.variable(COLLECTION, "mean", jnp.zeros, (self.width,)).value
        deviation = self.variable(COLLECTION, "deviation", jnp.ones, (self.width,)).value
        if back:
            return x.astype(jnp.float32) * deviation + mean
        inverse = jnp.where(deviation > 0, 1 / jnp.where(deviation > 0, deviation, 1.0), 0.0)
        return (x.astype(jnp.float32) - mean) * inverse
