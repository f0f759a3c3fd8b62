"""The mesh, the rules that place parameters, and the rows that each process must bring."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import PartitionSpec as P

from affectjax import optim, sharding, state
from affectjax.errors import UserError
from affectjax.models.tam import TAM


def spec(path: str, shape: tuple[int, ...], mesh) -> P:
    return sharding.partition(path, shape, mesh)[0]


def test_minus_one_takes_the_rest():
    assert dict(sharding.make_mesh().shape) == {"data": 8, "fsdp": 1, "tensor": 1}
    assert dict(sharding.make_mesh(2, -1, 2).shape) == {"data": 2, "fsdp": 2, "tensor": 2}
    assert sharding.make_mesh(1, 1, 8).devices.size == 8


def test_several_hosts_of_gpus_are_one_mesh_and_tensor_stays_within_a_host():
    """jax takes each host for a slice: `jax.make_mesh` refuses such devices."""
    made = [
        types.SimpleNamespace(platform="gpu", device_kind="H100", process_index=host,
                              slice_index=host, id=8 * host + i)
        for i in range(8) for host in range(4)
    ]  # fmt: skip
    found = sharding.arranged(made, (2, 4, 4))
    assert [device.id for device in found.flat] == list(range(32))
    hosts = np.vectorize(lambda device: device.process_index)(found)
    assert (hosts.min(-1) == hosts.max(-1)).all()


@pytest.mark.parametrize(
    "sizes", [(3, 1, 1), (2, 2, 1), (-1, 3, 1), (-1, -1, 1), (0, 1, 8), (-2, 1, 1)]
)
def test_a_mesh_that_does_not_fit_is_the_users_error(sizes):
    with pytest.raises(UserError, match="axis sizes whose product"):
        sharding.make_mesh(*sizes)


def test_what_each_rule_does():
    mesh = sharding.make_mesh(2, 2, 2)
    assert spec("fusion/layer_00/query/image/kernel", (16, 16), mesh) == P("fsdp", "tensor")
    assert spec("decoder/layer_00/self/key/kernel", (16, 16), mesh) == P("fsdp", "tensor")
    assert spec("fusion/layer_00/output/kernel", (32, 16), mesh) == P("tensor", "fsdp")
    assert spec("fusion/layer_00/output/image/kernel", (32, 16), mesh) == P("tensor", "fsdp")
    assert spec("fusion/layer_00/feedforward/in/kernel", (16, 64), mesh) == P("fsdp", "tensor")
    assert spec("fusion/layer_00/feedforward/image/in/bias", (64,), mesh) == P("tensor")
    assert spec("fusion/layer_00/feedforward/image/out/kernel", (64, 16), mesh) == P(
        "tensor", "fsdp"
    )
    assert spec("decoder/word", (128, 16), mesh) == P("tensor", "fsdp")
    assert spec("decoder/head/kernel", (16, 128), mesh) == P("fsdp", "tensor")
    assert spec("project/image/kernel", (43, 16), mesh) == P(None, "fsdp")
    assert spec("experts/first/kernel", (4, 16, 32), mesh) == P("tensor", "fsdp")
    assert spec("fusion/norm/scale", (16,), mesh) == P()
    assert spec("step", (), mesh) == P()


def test_moments_lie_with_their_parameter_and_stacked_layers_need_no_rule():
    mesh = sharding.make_mesh(2, 2, 2)
    for path in ("fusion/layer_00/output/kernel", "decoder/word", "decoder/head/bias"):
        shape = (16, 16)[: 1 if path.endswith("bias") else 2]
        for above in ("opt/0/mu/", "opt/0/1/nu/", "ema/"):
            assert spec(above + path, shape, mesh) == spec(path, shape, mesh)
    assert spec("fusion/layers/output/kernel", (12, 32, 16), mesh) == P(None, "tensor", "fsdp")


def test_what_an_axis_does_not_divide_is_replicated_and_marked():
    mesh = sharding.make_mesh(1, 2, 4)
    assert sharding.partition("a/query/kernel", (5, 6), mesh) == (P(), [0, 1])
    assert sharding.partition("a/query/kernel", (6, 6), mesh) == (P("fsdp"), [1])
    told = sharding.table({"a": {"query": {"kernel": jnp.zeros((6, 6))}}}, mesh)
    assert "fsdp,!" in told and "1 replicated" in told
    assert "!" not in sharding.table({"a": {"query": {"kernel": jnp.zeros((8, 8))}}}, mesh)


def test_the_table_counts():
    mesh = sharding.make_mesh(2, 2, 2)
    params = {"a": {"query": {"kernel": jnp.zeros((8, 8))}}, "b": {"scale": jnp.zeros(1000)}}
    told = sharding.table(params, mesh)
    assert "1,064 parameters" in told and "8x8" in told and "fsdp,tensor" in told
    assert len(told.splitlines()) == 4


def test_every_product_of_the_model_is_split():
    """A parameter renamed in the model must not fall out of the rules unseen."""
    mesh = sharding.make_mesh(2, 2, 2)
    model = TAM({"image": 64, "audio": 32}, vocabulary=130, segments=4, width=32, layers=2, ffn=64,
                decoder_layers=2, decoder_heads=2)  # fmt: skip
    shapes = {"features/image": (4, 64), "features/audio": (4, 32), "present/image": (4,),
              "present/audio": (4,), "tokens": (8,), "token_comment": (8,), "token_position": (8,),
              "masked_at": (2,), "masked_word": (2,), "masked_comment": (2,), "comment_at": (2,),
              "comment_segment": (2,), "comment_weight": (2,), "weight": ()}  # fmt: skip
    kinds = {"f": jnp.float16, "p": jnp.bool_}
    batch = {
        key: jax.ShapeDtypeStruct(
            (1, *shape),
            jnp.float32 if key.endswith("weight") else kinds.get(key[0], jnp.int32),
        )
        for key, shape in shapes.items()
    }
    key = jax.random.key(0)
    params = jax.eval_shape(
        lambda b: model.init({"params": key, "dropout": key}, b, train=True, method="loss"), batch
    )["params"]
    for path, leaf in sharding.named_leaves(params).items():
        if path.endswith("kernel") or path == "decoder/word":
            axes = set(spec(path, leaf.shape, mesh)) - {None}
            assert axes == ({"fsdp"} if path.startswith("project") else {"fsdp", "tensor"}), path


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([(8, 1, 1), (2, 2, 2), (1, 4, 2), (1, 1, 8)]), st.integers(1, 4))
def test_one_process_brings_all_rows(sizes, times):
    mesh = sharding.make_mesh(*sizes)
    batch = times * 8 // sizes[2]
    rows = sharding.host_rows(mesh, batch)
    assert rows.tolist() == list(range(batch))
    whole = np.arange(batch * 3, dtype=np.float32).reshape(batch, 3)
    placed = sharding.to_global({"x": whole[rows]}, sharding.batch_sharding(mesh))["x"]
    np.testing.assert_array_equal(placed, whole)
    assert placed.sharding.shard_shape(placed.shape)[0] == batch * sizes[2] // 8


def test_a_batch_that_does_not_split_is_the_users_error():
    with pytest.raises(UserError, match="multiple of 4"):
        sharding.host_rows(sharding.make_mesh(2, 2, 2), 6)


def fresh(key):
    return {"params": {"query": {"kernel": jax.random.normal(key, (8, 8))}},
            "batch_stats": {"mean": jnp.zeros(3)}}  # fmt: skip


def test_a_fresh_state_is_the_same_on_every_mesh_and_can_be_donated():
    optimizer, _ = optim.build(fresh(jax.random.key(0))["params"], 10, 1)
    found = []
    for sizes in [(8, 1, 1), (2, 2, 2)]:
        mesh = sharding.make_mesh(*sizes)
        made = state.create(fresh, optimizer, jax.random.key(3), mesh, ema=True, window=["word"])
        like = state.abstract(fresh, optimizer, mesh, ema=True, window=["word"])
        jax.tree.map(lambda a, b: (a.shape, a.dtype, a.sharding) == (b.shape, b.dtype, b.sharding)
                     or pytest.fail(f"{a} is not {b}"), made, like)  # fmt: skip
        found.append(jax.device_get(made))
        jax.jit(lambda s: jax.tree.map(lambda x: x, s), donate_argnums=0)(made)
    jax.tree.map(np.testing.assert_array_equal, *found)
    assert set(found[0]) == {"step", "params", "model_state", "opt", "ema", "ok", "window"}
    assert found[0]["model_state"] == {"batch_stats": {"mean": pytest.approx(np.zeros(3))}}
    assert found[0]["window"]["word"].shape == (2,) and found[0]["ok"].dtype == bool


def test_plain_dicts_there_and_back():
    optimizer, _ = optim.build(
        fresh(jax.random.key(0))["params"], 10, 1, rules=(("nothing|query", 0.0),)
    )
    made = state.initial(fresh(jax.random.key(0)), optimizer, window=["word"])
    plain = state.as_plain(made)
    assert all(
        type(node) is dict
        for node in jax.tree.leaves(plain, is_leaf=lambda x: not isinstance(x, dict) or not x)
        if not hasattr(node, "shape")
    )
    assert "ema" not in plain
    back = state.from_plain(plain, made)
    assert jax.tree.structure(back) == jax.tree.structure(made)
    jax.tree.map(np.testing.assert_array_equal, back, made)
