"""Where a run's time goes: step time, waiting for input, and floating-point work done."""

import contextlib
import functools
import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

# Dense bfloat16 products a second, from the makers' data sheets, by jax's name for the device.
PUBLISHED = {
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H200": 989e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A100-SXM4-40GB": 312e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5": 459e12,
    "TPU v6 lite": 918e12,
}


@functools.cache
def peak() -> float:
    """FLOP a second of one device: published, or measured on a matrix product where unknown."""
    kind = jax.local_devices()[0].device_kind
    if kind in PUBLISHED:
        return PUBLISHED[kind]
    n = 1024
    a = jax.device_put(jnp.ones((n, n)), jax.local_devices()[0])
    product = jax.jit(jnp.dot)
    product(a, a).block_until_ready()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        product(a, a).block_until_ready()
        times.append(time.perf_counter() - began)
    # Simulated devices share one processor, and so its speed.
    share = jax.local_device_count() if kind == "cpu" else 1
    return 2 * n**3 / min(times) / share


def work(model: Any, batch: Mapping[str, Any]) -> float:
    """FLOPs of a training step on a host batch: backward costs twice what forward does.

    A network that is frozen has no backward pass.
    """
    networks = model.network_flops(batch) if hasattr(model, "network_flops") else {}
    still = sum(flops for name, flops in networks.items() if name in model.frozen)
    return 3 * model.flops(batch) - 2 * still


class Clock:
    """Step time, examples a second, share of time spent waiting for input, FLOP utilisation."""

    def __init__(self, batch: int, local_rows: int):
        self.batch, self.share = batch, batch / max(local_rows, 1)
        self.peak = peak() * jax.device_count()
        self._reset()

    def _reset(self) -> None:
        self.began, self.waited, self.idle, self.steps, self.flops = time.time(), 0.0, 0.0, 0, 0.0

    def waiting(self, call):
        """Run `call`, counting its time as waiting for input."""
        before = time.time()
        value = call()
        self.waited += time.time() - before
        return value

    @contextlib.contextmanager
    def paused(self):
        """What happens inside is not counted at all."""
        before = time.time()
        yield
        self.idle += time.time() - before

    def step(self, work: float) -> None:
        """Count a step and the FLOPs of this host's rows."""
        self.steps += 1
        self.flops += work * self.share

    def read(self) -> dict[str, float]:
        """The figures since the last reading; every name starts with time/."""
        spent = max(time.time() - self.began - self.idle, 1e-9)
        figures = {
            "time/step_s": spent / max(self.steps, 1),
            "time/examples_per_s": self.batch * self.steps / spent,
            "time/input_wait": self.waited / spent,
            "time/gflops": self.flops / spent / 1e9,
            "time/utilisation": self.flops / spent / self.peak,
        }
        self._reset()
        return figures
