"""The released forms against the described formulae in plain NumPy, from a state dict of theirs."""

import jax
import numpy as np
import pytest

from affectjax.backbones import residual, resnet, resnet3d
from affectjax.backbones.torch_state import State
from affectjax.errors import UserError
from affectjax.layers.parameters import initialise
from affectjax.models import cten_release, vaanet_release
from affectjax.models.cten import CTEN
from affectjax.models.vaanet import VAANet

B, T, CELLS, N, K = 2, 10, 16, 2048, 8
SIGHT = resnet3d.Settings(block="bottleneck", blocks=(1,), width=2, shortcut="B")
SOUND = resnet.Settings(block="basic", blocks=(1,), width=4, channels=1, stem=(7, 1),
                        stem_stride=(2, 1), normalisation="none")  # fmt: skip


def drawn(shapes, seed=0):
    """Random arrays of a state dict; variances and scales above zero, kernels of a sane size."""
    rng = np.random.default_rng(seed)
    out = {}
    for key, shape in shapes.items():
        if key.endswith("num_batches_tracked"):
            out[key] = np.array(7)
            continue
        size = np.prod(shape[1:]) ** -0.5 if len(shape) > 1 else 0.3
        values = size * rng.normal(size=shape)
        out[key] = (np.abs(values) + 0.5 if "running_var" in key else values).astype(np.float32)
    return out


def norm_names(prefix, width):
    names = ("weight", "bias", "running_mean", "running_var")
    return {f"{prefix}.{n}": (width,) for n in names} | {f"{prefix}.num_batches_tracked": ()}


def network_names(settings, prefix):
    """The names of a network that was cut out of its class as a torch Sequential."""
    tree, shapes = residual.tree(settings), {}
    convs = {"stem": "0"}
    for place, blocks in tree["params"].items():
        if place.startswith("stage"):
            stage = int(place[-1]) + 3
            for block, units in blocks.items():
                at = f"{stage}.{block.removeprefix('block_')}"
                for unit in units:
                    number = unit.removeprefix("unit_")
                    theirs = "downsample" if unit == "shortcut" else number
                    convs[f"{place}/{block}/{unit}"] = f"{at}.{theirs}"
    for path, theirs in convs.items():
        node = tree["params"]
        for part in path.split("/"):
            node = node[part]
        kernel = node["conv"]["kernel"].shape
        *where, last = theirs.split(".")
        if theirs == "0":
            conv, norm = "0", "1"
        elif last == "downsample":
            conv, norm = ".".join([*where, "downsample.0"]), ".".join([*where, "downsample.1"])
        else:
            conv, norm = ".".join([*where, f"conv{last}"]), ".".join([*where, f"bn{last}"])
        shapes[f"{prefix}{conv}.weight"] = (kernel[-1], kernel[-2], *kernel[:-2])
        shapes |= norm_names(f"{prefix}{norm}", kernel[-1])
    return shapes


def score_names(prefix, width, entries, bias):
    shapes = {f"{prefix}.conv.0.weight": (1, width, 1)} | norm_names(f"{prefix}.conv.1", 1)
    shapes[f"{prefix}.fc.weight"] = (entries, entries)
    return shapes | ({f"{prefix}.fc.bias": (entries,)} if bias else {})


def layer(prefix, inputs, outputs, extra=()):
    return {f"{prefix}.weight": (outputs, inputs, *extra), f"{prefix}.bias": (outputs,)}


VAANET = {
    **network_names(SIGHT, "resnet."),
    **network_names(SOUND, "a_resnet."),
    **layer("conv0.0", N, 512, (1,)),
    **norm_names("conv0.1", 512),
    **score_names("sa_net", 512, CELLS, False),
    **score_names("cwa_net", CELLS, 512, False),
    **score_names("ta_net", 512, T, True),
    **layer("a_fc.0", 512, 256),
    **norm_names("a_fc.1", 256),
    **score_names("aa_net", 256, 16, True),
    **layer("av_fc", 768, K),
    **layer("fc", 512, K),  # dead in the release
}


def cten_names(width=2048, segments=16):
    shapes = layer("a_fc.0", 512, width) | norm_names("a_fc.1", width)
    for block in ("nl.0", "nl_a.0"):
        for part in ("theta", "phi", "g"):
            shapes |= layer(f"{block}.{part}", width, 256)
        shapes |= layer(f"{block}.out", 256, width) | norm_names(f"{block}.bn", width)
        shapes[f"{block}.alpha"] = (1,)
    for block in ("v2a_attn", "a2v_attn"):
        for part in "qkvo":
            shapes |= layer(f"{block}.linear_{part}", width, width)
    shapes |= score_names("ta_net", 2 * width, segments, True) | layer("fc", 2 * width, K)
    return shapes | network_names(SIGHT, "resnet.") | network_names(SOUND, "a_resnet.")


# --- the formulae, in torch's layouts


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def relu(x):
    return np.maximum(x, 0)


def lin(d, name, x):
    weight = d[f"{name}.weight"].reshape(len(d[f"{name}.weight"]), -1)
    return x @ weight.T + d.get(f"{name}.bias", 0)


def norm(d, name, x):
    unit = (x - d[f"{name}.running_mean"]) / np.sqrt(d[f"{name}.running_var"] + 1e-5)
    return unit * d[f"{name}.weight"] + d[f"{name}.bias"]


def tanh_scores(d, name, x):
    """W tanh(BN1(w x)) + b."""
    return lin(
        d, f"{name}.fc", np.tanh(norm(d, f"{name}.conv.1", lin(d, f"{name}.conv.0", x)))[..., 0]
    )


def plain_vaanet(d, maps, sound):
    f = relu(norm(d, "conv0.1", lin(d, "conv0.0", maps)))
    fs = f * (16 * softmax(tanh_scores(d, "sa_net", f)))[..., None]
    channel = 512 * softmax(tanh_scores(d, "cwa_net", fs.swapaxes(-1, -2)))
    p = (fs * channel[:, :, None]).mean(2)
    at = relu(tanh_scores(d, "ta_net", p))
    a = np.tanh(norm(d, "a_fc.1", lin(d, "a_fc.0", sound)))
    aa = relu(tanh_scores(d, "aa_net", a))
    joined = np.concatenate([(at[..., None] * p).mean(1), (aa[..., None] * a).mean(1)], -1)
    return lin(d, "av_fc", joined), at


def plain_non_local(d, name, x):
    q, k, v = (lin(d, f"{name}.{part}", x) for part in ("theta", "phi", "g"))
    found = softmax(q @ k.swapaxes(1, 2) / np.sqrt(256)) @ v
    return norm(d, f"{name}.bn", lin(d, f"{name}.out", found)) + d[f"{name}.alpha"] * x


def plain_heads(d, name, q, kv):
    out = []
    q, k, v = (
        relu(lin(d, f"{name}.linear_{part}", x)) for part, x in (("q", q), ("k", kv), ("v", kv))
    )
    width = q.shape[-1] // 8
    for h in range(8):
        s = slice(h * width, (h + 1) * width)
        out.append(softmax(q[..., s] @ k[..., s].swapaxes(1, 2) / np.sqrt(width)) @ v[..., s])
    return relu(lin(d, f"{name}.linear_o", np.concatenate(out, -1)))


def plain_cten(d, visual, sound):
    a = np.tanh(norm(d, "a_fc.1", lin(d, "a_fc.0", sound)))
    v, a = plain_non_local(d, "nl.0", visual), plain_non_local(d, "nl_a.0", a)
    both = np.concatenate(
        [v + plain_heads(d, "v2a_attn", a, v), a + plain_heads(d, "a2v_attn", v, a)], -1
    )
    gamma = relu(tanh_scores(d, "ta_net", both))
    return lin(d, "fc", (gamma[..., None] * both).mean(1)), gamma


def test_vaanet_gives_the_logits_of_its_formulae():
    d = drawn(VAANET)
    state = State({f"module.{key}": value for key, value in d.items()})
    sizes = (CELLS, N, T, 512, 16, K)
    made = vaanet_release.from_torch(state, *sizes)
    for settings, prefix in ((SIGHT, "resnet."), (SOUND, "a_resnet.")):
        residual.from_torch(state, settings, prefix, sequential=True)
    state.finish()
    rng = np.random.default_rng(1)
    maps, sound = relu(rng.normal(size=(B, T, CELLS, N))), rng.normal(size=(B, 16, 512))
    ones = np.ones((B, T), bool), np.ones((B, 16), bool)
    logits, seen, _, _ = jax.jit(vaanet_release.read)(
        made["params"], made["batch_stats"], maps.astype(np.float32), ones[0],
        sound.astype(np.float32), ones[1],
    )  # fmt: skip
    want, attention = plain_vaanet(d, maps, sound)
    np.testing.assert_allclose(logits, want, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(seen, attention, atol=1e-4, rtol=1e-4)
    assert (attention > 0).any() and np.ptp(want) > 0.01


def test_cten_gives_the_logits_of_its_formulae():
    d = drawn(cten_names())
    state = State(d)
    made = cten_release.from_torch(state, 2048, 16, 512, K)
    for settings, prefix in ((SIGHT, "resnet."), (SOUND, "a_resnet.")):
        residual.from_torch(state, settings, prefix, sequential=True)
    state.finish()
    rng = np.random.default_rng(1)
    visual, sound = relu(rng.normal(size=(B, 16, 2048))), rng.normal(size=(B, 16, 512))
    there = np.ones((B, 16), bool)
    logits, gamma, _ = jax.jit(cten_release.read)(
        made["params"], made["batch_stats"], visual.astype(np.float32), there,
        sound.astype(np.float32), there,
    )  # fmt: skip
    want, attention = plain_cten(d, visual, sound)
    np.testing.assert_allclose(logits, want, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(gamma, attention, atol=1e-4, rtol=1e-4)
    assert (attention > 0).any() and np.ptp(want) > 0.01


def test_every_key_is_used_or_explained():
    head = {key: shape for key, shape in VAANET.items() if "resnet" not in key}
    d = drawn(head) | {"sa_net.extra": np.zeros(3)}
    d["av_fc.weight"] = d["av_fc.weight"][:, :700]
    del d["cwa_net.fc.weight"]
    state = State(d)
    vaanet_release.from_torch(state, CELLS, N, T, 512, 16, K)
    with pytest.raises(UserError) as told:
        state.finish()
    for words in ("missing: cwa_net.fc.weight", "av_fc.weight", "sa_net.extra"):
        assert words in str(told.value)


def test_sizes_of_trees_and_checkpoints_agree():
    """What a checkpoint gives has the shapes that a fresh network declares."""
    made = {
        "vaanet": (vaanet_release, (CELLS, N, T, 512, 16, K), VAANET),
        "cten": (cten_release, (64, 16, 512, K), cten_names(64)),
    }
    for module, sizes, names in made.values():
        found = module.from_torch(State(drawn(names)), *sizes)
        for kind, tree in zip(("params", "batch_stats"), module.trees(*sizes)):
            want = jax.tree.map(lambda leaf: leaf.shape, tree, is_leaf=lambda x: hasattr(x, "init"))
            assert jax.tree.map(lambda x: x.shape, found[kind]) == want


def batch_of(segments, widths, seed=0):
    """The second video has no sound."""
    rng = np.random.default_rng(seed)
    out = {"weight": np.ones(B, np.float32), "label": np.array([0, 1], np.int32)}
    for m, width in widths.items():
        out[f"features/{m}"] = rng.normal(size=(B, segments, width)).astype(np.float16)
        out[f"present/{m}"] = np.ones((B, segments), bool)
    out["present/audio"][1] = False
    return out


MODELS = {
    "vaanet": VAANet(
        {"motion": 4 * 8, "audio": 6}, ("a", "b", "c"), ("b",), 5, cells=4, form="release"
    ),
    "cten": CTEN({"motion": 16, "audio": 6}, ("a", "b", "c"), 5, form="release"),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_models_train_in_the_release_form(name):
    """Statistics move, everything trained gets a gradient, silence and its place reach nothing."""
    model = MODELS[name]
    batch = batch_of(5, model.modalities)
    key = jax.random.key(0)
    shapes = jax.eval_shape(
        lambda b: model.init({"params": key, "dropout": key}, b, train=True, method="loss"), batch
    )
    rng = np.random.default_rng(1)
    variables = jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            np.float32(0.3 * rng.normal(size=leaf.shape))
            if path[0].key == "params"
            else np.full(
                leaf.shape, float(str(path[-1]) in ("['var']", "['deviation']")), np.float32
            )
        ),
        shapes,
    )

    @jax.jit
    def step(params, batch):
        def total(params):
            (sums, predictions), changed = model.apply(
                variables | {"params": params}, batch, True, method="loss",
                rngs={"dropout": key}, mutable=["batch_stats"],
            )  # fmt: skip
            return sum(s.sum() for s, _ in sums.values()), (predictions, changed["batch_stats"])

        return jax.value_and_grad(total, has_aux=True)(params)

    (loss, (predictions, stats)), gradient = step(variables["params"], batch)
    assert np.isfinite(loss) and predictions["curve"].shape == (B, 5)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))
    assert np.abs(gradient["release"]["net"]["head"]["kernel"]).max() > 0
    before = jax.tree.leaves(variables["batch_stats"])
    assert all((a != b).any() for a, b in zip(before, jax.tree.leaves(stats)))
    broken = {k: v.copy() for k, v in batch.items()}
    broken["features/audio"][1] = np.nan
    assert step(variables["params"], broken)[0][0] == loss


def test_a_release_starts_from_its_authors_laws():
    trees, _ = vaanet_release.trees(16, 64, 10, 32, 16, 8)
    p = initialise(trees, jax.random.key(0))
    np.testing.assert_array_equal(p["temporal"]["mix"]["bias"], 1)
    for layer, inputs in ((p["audio"]["dense"], 32), (p["head"], 768)):
        assert 0.9 * inputs**-0.5 < np.abs(layer["kernel"]).max() <= inputs**-0.5
        assert 0 < np.abs(layer["bias"]).max() <= inputs**-0.5
    heard = p["audio_temporal"]
    assert 0 < np.abs(heard["mix"]["bias"]).max() <= 0.25
    assert np.abs(heard["score"]["kernel"]).max() <= 1 / 16
    # Kaiming's law by what leaves: one number, and 512
    assert 1.2 < np.std(p["temporal"]["score"]["kernel"]) < 1.6
    assert np.std(p["reduce"]["dense"]["kernel"]) == pytest.approx((2 / 512) ** 0.5, rel=0.02)
