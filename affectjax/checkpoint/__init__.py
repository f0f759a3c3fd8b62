"""Saves and restores the training state; what was not saved whole is never restored in silence.

DIR/<step>/ appears by one rename and holds the arrays (orbax item `state`) and `host/host.json`:
the caller's values, metrics, and a table of all arrays with shape, dtype and digest, under a
SHA-256 of its own. A flipped bit anywhere leads to an error or a fallback, or changed nothing.
"""

from affectjax.checkpoint.folder import BadCheckpoint, best_step, steps
from affectjax.checkpoint.restoring import restore, verify
from affectjax.checkpoint.saving import Checkpoints

__all__ = ["BadCheckpoint", "Checkpoints", "best_step", "restore", "steps", "verify"]
