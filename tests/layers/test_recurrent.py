"""LSTM and GRU: torch's numbers, plain loops over single sequences, and what must not matter."""

import functools
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax.errors import UserError
from affectjax.layers import recurrent
from affectjax.layers.parameters import initialise
from affectjax.layers.recurrent import Recurrent
from affectjax.layers.recurrent_cells import STATES, STEP
from affectjax.layers.recurrent_cudnn import close_holes, open_holes, pack
from tests.layers import recurrent_twin as twin

CELLS = twin.CELLS


def drawn(s, batch=4, steps=6, seed=0):
    """Parameters and x [B, T, D]."""
    p = initialise(recurrent.parameters(s), jax.random.key(seed))
    rng = np.random.default_rng(seed)
    return p, rng.normal(size=(batch, steps, s.inputs)).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def plain_step(cell, q, x, state):
    """One step of one sequence, by the formulas of the papers: vectors and NumPy alone."""
    width = state[0].size
    inputs = x @ q["input"]["kernel"] + q["input"]["bias"]
    own = state[0] @ q["recurrent"]["kernel"]
    if cell == "lstm":
        i, f, g, o = np.split(inputs + own, 4)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    r, u, n = np.split(inputs, 3)
    r = sigmoid(r + own[:width])
    u = sigmoid(u + own[width : 2 * width])
    n = np.tanh(n + r * (own[2 * width :] + q["recurrent"]["bias"]))
    return ((1 - u) * n + u * state[0],)


def plain(p, x, there, s, initial):
    """The layers over one sequence x [T, D] with a mask [T]; initial {name: [layers, d, H]}."""
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), p)
    finals = {name: [] for name in initial}
    for i in range(s.layers):
        outputs, ends = [], []
        for d, name in enumerate(s.directions):
            state = tuple(np.asarray(initial[key][i, d], np.float64) for key in initial)
            y = np.zeros((len(x), s.hidden))
            order = range(len(x)) if name == "forward" else range(len(x) - 1, -1, -1)
            for t in order:
                if there[t]:
                    state = plain_step(s.cell, p[f"layer_{i}"][name], x[t], state)
                    y[t] = state[0]
            outputs.append(y)
            ends.append(state)
        x = np.concatenate(outputs, axis=-1)
        for j, key in enumerate(initial):
            finals[key].append([end[j] for end in ends])
    return x, {key: np.array(value) for key, value in finals.items()}


def states(s, batch, seed=3):
    rng = np.random.default_rng(seed)
    shape = (s.layers, len(s.directions), batch, s.hidden)
    return {name: rng.normal(size=shape).astype(np.float32) for name in STATES[s.cell]}


run = jax.jit(recurrent.apply, static_argnames="s")


@pytest.fixture(params=CELLS)
def golden(request):
    return request.param, twin.kept(request.param)


@functools.cache
def value_and_gradients(cell):
    s = twin.settings(cell)

    def number(p, x):
        y, last = run(p, x, jnp.asarray(twin.LENGTHS), s)
        weigh = np.linspace(-1, 1, y.size, dtype=np.float32).reshape(y.shape)
        return (y * weigh).sum() + sum(jnp.square(v).sum() for v in last.values()), (y, last)

    return jax.jit(jax.value_and_grad(number, argnums=(0, 1), has_aux=True))


def test_outputs_states_and_gradients_are_torch_s(golden):
    cell, theirs = golden
    s = twin.settings(cell)
    p = recurrent.from_torch(twin.under(theirs, "weight/"), s)
    (_, (y, last)), (dp, dx) = value_and_gradients(cell)(p, theirs["x"])
    tolerance = dict(rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(y, theirs["outputs"], **tolerance)
    np.testing.assert_allclose(dx, theirs["gradient_x"], **tolerance)
    for name, value in last.items():
        np.testing.assert_allclose(
            value.reshape(-1, *value.shape[2:]), theirs[f"last/{name}"], **tolerance
        )
    # a sum of two biases has one gradient, which both of torch's biases show
    theirs = twin.under(theirs, "gradient/")
    for i in range(s.layers):
        for name, suffix in (("forward", ""), ("backward", "_reverse")):
            q = dp[f"layer_{i}"][name]
            ours = {
                "weight_ih": q["input"]["kernel"].T,
                "weight_hh": q["recurrent"]["kernel"].T,
                "bias_ih": q["input"]["bias"],
            }
            for key, value in ours.items():
                np.testing.assert_allclose(value, theirs[f"{key}_l{i}{suffix}"], **tolerance)
            own = theirs[f"bias_hh_l{i}{suffix}"]
            if cell == "gru":
                np.testing.assert_allclose(q["recurrent"]["bias"], own[2 * s.hidden :], **tolerance)
            else:
                np.testing.assert_allclose(q["input"]["bias"], own, **tolerance)


@pytest.mark.parametrize("cell", CELLS)
def test_golden_arrays_are_what_torch_answers(cell):
    pytest.importorskip("torch", reason="the golden arrays stand for it")
    found, kept = twin.answers(cell), twin.kept(cell)
    assert found.keys() == kept.keys()
    for name, value in found.items():
        np.testing.assert_allclose(value, kept[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("both", [False, True], ids=["forward", "both"])
def test_a_batch_equals_its_sequences_one_by_one(cell, both):
    s = Recurrent(cell, inputs=3, hidden=4, layers=2, bidirectional=both)
    p, x = drawn(s)
    lengths = np.array([6, 0, 1, 4])
    start = states(s, 4)
    y, last = run(p, x, jnp.asarray(lengths), s, start)
    holes = np.random.default_rng(1).random((4, 6)) < 0.5
    y_holes, last_holes = run(p, x, jnp.asarray(holes), s, start)
    for b in range(4):
        own = {name: value[:, :, b] for name, value in start.items()}
        for mask, outputs, ends in (
            (np.arange(6) < lengths[b], y, last),
            (holes[b], y_holes, last_holes),
        ):
            expected, expected_last = plain(p, x[b], mask, s, own)
            np.testing.assert_allclose(outputs[b], expected, rtol=1e-5, atol=1e-5)
            for name, value in expected_last.items():
                np.testing.assert_allclose(ends[name][:, :, b], value, rtol=1e-5, atol=1e-5)
    for name, value in start.items():  # length 0
        np.testing.assert_array_equal(last[name][:, :, 1], value[:, :, 1])
    assert (np.asarray(y)[1] == 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_equals_the_derived_one(cell):
    """Of the same formulas, step by step, with initial states, lengths and a hole."""
    s = Recurrent(cell, inputs=3, hidden=4, bidirectional=True)
    p, x = drawn(s, batch=3, steps=4)
    start = states(s, 3)
    there = jnp.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], bool)
    weigh = np.random.default_rng(2).normal(size=(3, 4, 8)).astype(np.float32)

    def ours(p, x, start):
        y, last = run(p, x, there, s, start)
        return (y * weigh).sum() + sum((v**2).sum() for v in last.values())

    def derived(p, x, start):
        total = 0.0
        for d, name in enumerate(s.directions):
            q = p["layer_0"][name]
            cell_p = {"kernel": q["recurrent"]["kernel"], "bias": q["input"]["bias"]}
            if cell == "gru":
                cell_p["own"] = q["recurrent"]["bias"]
            state = tuple(start[name][0, d] for name in STATES[cell])
            for t in range(4) if d == 0 else range(3, -1, -1):
                new, _ = STEP[cell](cell_p, x[:, t] @ q["input"]["kernel"], state)
                state = tuple(jnp.where(there[:, t, None], n, o) for n, o in zip(new, state))
                y = jnp.where(there[:, t, None], state[0], 0.0)
                total += (y * weigh[:, t, 4 * d : 4 * d + 4]).sum()
            total += sum((value**2).sum() for value in state)
        return total

    ours, derived = (jax.jit(jax.grad(f, (0, 1, 2)))(p, x, start) for f in (ours, derived))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(derived), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_nothing_even_where_it_is_not_a_number(cell):
    s = Recurrent(cell, inputs=3, hidden=4, layers=2, bidirectional=True)
    p, x = drawn(s)
    lengths = jnp.array([6, 0, 3, 5])
    far = np.full((4, 9, 3), np.nan, np.float32)
    for b, n in enumerate(lengths):
        far[b, :n] = x[b, :n]

    def number(p, x):
        y, last = run(p, x, lengths, s)
        return jnp.square(y).sum() + last["hidden"].sum(), (y, last)

    found = jax.jit(jax.value_and_grad(number, (0, 1), has_aux=True))
    (_, (near, ends)), (dp, dx) = found(p, x)
    (_, (wide, ends_wide)), (dp_wide, dx_wide) = found(p, far)
    np.testing.assert_array_equal(wide[:, :6], near)
    assert (np.asarray(wide[:, 6:]) == 0).all() and (np.asarray(dx_wide[:, 6:]) == 0).all()
    np.testing.assert_allclose(dx_wide[:, :6], dx, rtol=1e-6, atol=1e-7)
    for a, b in zip(jax.tree.leaves((ends, dp)), jax.tree.leaves((ends_wide, dp_wide))):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_in_parts_ends_as_the_whole(cell):
    s = Recurrent(cell, inputs=3, hidden=4, layers=2)
    p, x = drawn(s)
    whole, last = run(p, x, jnp.full(4, 6), s)
    first, state = run(p, x[:, :2], jnp.full(4, 2), s)
    second, state = run(p, x[:, 2:], jnp.full(4, 4), s, state)
    np.testing.assert_allclose(np.concatenate([first, second], 1), whole, atol=1e-6)
    np.testing.assert_allclose(state["hidden"], last["hidden"], atol=1e-6)
    np.testing.assert_array_equal(recurrent.last_states(last), whole[:, -1])


def test_dropout_lies_between_layers_alone():
    s = Recurrent("gru", inputs=3, hidden=8, layers=2, dropout=0.5)
    p, x = drawn(s)
    n = jnp.full(4, 6)
    still, ends = run(p, x, n, s)
    dropped, ends_dropped = run(p, x, n, s, key=jax.random.key(1))
    np.testing.assert_array_equal(ends["hidden"][0], ends_dropped["hidden"][0])
    assert np.abs(still - dropped).max() > 1e-2
    assert (np.asarray(dropped) != 0).all()


def test_bfloat16_stays_near_and_keeps_its_dtype():
    s = Recurrent("lstm", inputs=3, hidden=8, layers=2, bidirectional=True)
    p, x = drawn(s)
    n = jnp.array([6, 2, 0, 5])
    short, last = run(p, x.astype(jnp.bfloat16), n, s)
    assert short.dtype == jnp.bfloat16 and last["cell"].dtype == jnp.float32
    np.testing.assert_allclose(np.asarray(short, np.float32), run(p, x, n, s)[0], atol=0.02)


@pytest.mark.parametrize("cell", CELLS)
def test_flops_are_those_of_the_products(cell):
    s = Recurrent(cell, inputs=64, hidden=64, layers=2, bidirectional=True)
    p, x = drawn(s, batch=32, steps=1)
    counted = run.lower(p, x, jnp.ones(32, jnp.int32), s).compile().cost_analysis()["flops"]
    assert recurrent.flops(s, 32) == pytest.approx(counted, rel=0.05)


def test_cudnn_reads_the_weights_where_we_put_them():
    """The reference that stands beside cuDNN in JAX, given the packed vector, equals ours."""
    from jax.experimental import rnn

    s = Recurrent("lstm", inputs=3, hidden=4, bidirectional=True)
    p, x = drawn(s)
    start = states(s, 4)
    layer = [p["layer_0"][name] for name in s.directions]
    parts = rnn.unpack_lstm_weights(pack(layer), 3, 4, 1, True)
    n = jnp.full(4, 6, jnp.int32)
    theirs = rnn.lstm_ref(x, start["hidden"][0], start["cell"][0], *parts, n, 3, 4, 1, 0.0, True)
    y, last = run(p, x, n, s, start)
    for a, b in zip((y, last["hidden"][0], last["cell"][0]), theirs):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_holes_are_closed_before_cudnn_and_opened_after():
    """Over what is closed up, lengths say what the mask said: outputs and last states are equal."""
    s = Recurrent("lstm", inputs=3, hidden=4, layers=2, bidirectional=True)
    p, x = drawn(s)
    mask = jnp.asarray(np.random.default_rng(3).random((4, 6)) < 0.6).at[0].set(False)
    want, wanted_last = run(p, x, mask, s)
    closed, lengths, order = close_holes(x, mask)
    y, last = run(p, closed, lengths, s)
    np.testing.assert_allclose(open_holes(y, order), want, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(last["cell"], wanted_last["cell"], rtol=1e-6, atol=1e-6)
    assert (open_holes(closed, order) == x).all()


def test_cudnn_is_refused_where_it_is_not():
    s = Recurrent("lstm", inputs=3, hidden=4, form="cudnn")
    p, x = drawn(s)
    with pytest.raises(UserError, match="NVIDIA"):
        recurrent.apply(p, x, jnp.full(4, 6), s)


ON_A_GPU = """
import dataclasses, sys
import jax, jax.numpy as jnp, numpy as np
from affectjax.layers import recurrent
from tests.layers.test_recurrent import drawn, states

if jax.default_backend() != "gpu":
    sys.exit(77)
jax.config.update("jax_default_matmul_precision", "highest")
s = recurrent.Recurrent("lstm", inputs=16, hidden=32, layers=2, bidirectional=True, form="cudnn")
p, x = drawn(s, batch=5, steps=7)
lengths, start = jnp.array([7, 0, 1, 4, 6]), states(s, 5)
mask = jnp.array(np.random.default_rng(0).random((5, 7)) < 0.5)

def number(form, n):
    settings = dataclasses.replace(s, form=form)
    def f(p, x, start):
        y, last = run(p, x, n, settings, start)
        return jnp.square(y).sum() + sum(v.sum() for v in last.values()), (y, last)
    return jax.jit(jax.value_and_grad(f, (0, 1, 2), has_aux=True))(p, x, start)

for there in (lengths, mask):
    for a, b in zip(*(jax.tree.leaves(number(form, there)) for form in ("cudnn", "loop"))):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
"""


def test_cudnn_equals_the_loop(request):
    if shutil.which("nvidia-smi") is None:
        pytest.skip("no NVIDIA GPU")
    root = request.config.rootpath
    run = subprocess.run([sys.executable, "-c", ON_A_GPU], cwd=root, capture_output=True, text=True)
    if run.returncode == 77:
        pytest.skip("jax sees no GPU")
    assert run.returncode == 0, run.stderr
