"""Speed beside PyTorch; on a GPU both sides share its memory, so neither takes it all at once."""

import contextlib
import os

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def exactly(device: str, dtype: str):
    """Where float32 is proved equal, and timed, it is float32 on both sides: GPUs shorten it."""
    import jax

    if device == "gpu":
        with contextlib.suppress(ImportError):  # no twin, then
            import torch

            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        if dtype == "float32":  # what follows the proof too
            jax.config.update("jax_default_matmul_precision", "highest")
    return jax.default_matmul_precision("highest")
