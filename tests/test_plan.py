"""The plan counts what small programs are known to exchange, and the work of every config."""

import importlib.util
import re

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from affectjax import assemble, clock, plan, sharding
from affectjax.data import full
from affectjax.data.vocabulary import Vocabulary
from affectjax.errors import UserError
from configs import cten, danmaku, danmaku_comments, lstc, tam_finetune, tam_pretrain, vaanet


@pytest.fixture
def mesh():
    return sharding.make_mesh(2, 2, 2)


def along(axes: str, mesh, kind: str, length: int = 0):
    """A program of one exchange along axes of the mesh, in a loop of `length` turns if given."""
    names = tuple(axes.split(","))
    act = {
        "all-reduce": lambda x: jax.lax.psum(x, names),
        "all-gather": lambda x: jax.lax.all_gather(x, names, tiled=True),
        "reduce-scatter": lambda x: jax.lax.psum_scatter(x, names, tiled=True),
        "all-to-all": lambda x: jax.lax.all_to_all(x, names, 0, 0, tiled=True),
        "collective-permute": lambda x: jax.lax.ppermute(x, names, [(0, 1), (1, 0)]),
    }[kind]

    def local(x):
        if not length:
            return act(x)
        return jax.lax.scan(lambda x, _: (jnp.sin(act(x)), None), x, None, length=length)[0]

    every = P(mesh.axis_names)
    f = jax.jit(jax.shard_map(local, mesh=mesh, in_specs=every, out_specs=every, check_vma=False))
    x = jax.ShapeDtypeStruct((8 * 16, 4), jnp.float32, sharding=NamedSharding(mesh, every))
    return f.lower(x).compile()


BLOCK = 16 * 4 * 4  # bytes on one device


@pytest.mark.parametrize(
    "axes", ["data", "fsdp", "tensor", "data,fsdp", "data,tensor", "data,fsdp,tensor"]
)
@pytest.mark.parametrize(
    "kind, share", [("all-reduce", 1), ("all-gather", None), ("reduce-scatter", 1)]
)
def test_kind_axes_and_bytes(mesh, axes, kind, share):
    group = 2 ** (axes.count(",") + 1)
    (found,) = plan.collectives(along(axes, mesh, kind).as_text(), mesh)
    expected = {"kind": kind, "dtype": "f32", "axes": axes, "times": 1}
    assert found == expected | {"bytes": BLOCK * (share or group)}


@pytest.mark.parametrize("kind", ["all-to-all", "collective-permute"])
def test_exchanges_between_pairs(mesh, kind):
    for axis in mesh.axis_names:
        (found,) = plan.collectives(along(axis, mesh, kind).as_text(), mesh)
        assert (found["kind"], found["axes"], found["bytes"]) == (kind, axis, BLOCK)


def test_a_loop_of_five_counts_five_times(mesh):
    (found,) = plan.collectives(along("fsdp", mesh, "all-reduce", 5).as_text(), mesh)
    assert (found["times"], found["bytes"]) == (5, 5 * BLOCK)


def test_loops_in_loops_multiply_and_unknown_lengths_are_marked(mesh):
    def local(x, n):
        def turn(x, _):
            x, _ = jax.lax.scan(lambda x, _: (jnp.sin(jax.lax.psum(x, "data")), None), x, None, 3)
            return x, None

        x, _ = jax.lax.scan(turn, x, None, length=4)
        return jax.lax.while_loop(
            lambda c: c[0] < n, lambda c: (c[0] + 1, jnp.cos(jax.lax.psum(c[1], "fsdp"))), (0, x)
        )[1]

    every = P(mesh.axis_names)
    f = jax.jit(
        jax.shard_map(local, mesh=mesh, in_specs=(every, P()), out_specs=every, check_vma=False)
    )
    compiled = f.lower(jnp.zeros((128, 4)), 7).compile()
    found = {one["axes"]: one for one in plan.collectives(compiled.as_text(), mesh)}
    assert found["data"]["times"] == 12 and "loop" not in found["data"]
    assert found["fsdp"]["times"] == 1 and found["fsdp"]["loop"] == "unknown"
    assert "unknown length" in plan.text(plan.report(compiled, mesh))


def test_asynchronous_forms_are_counted_once(mesh):
    """Accelerators split an exchange into a start and a done; CPUs never write these lines."""
    program = """HloModule m
ENTRY %main (p: bf16[4,8]) -> bf16[8,8] {
  %s = (bf16[4,8], bf16[8,8]) all-gather-start(%p), replica_groups=[4,2]<=[8], dimensions={0}
  %d = bf16[8,8]{1,0} all-gather-done(%s)
  %r = (f32[3]{0}, f32[5]{0}) all-reduce-start(%a, %b), replica_groups={}, to_apply=%add
  %c = (f32[6], f32[6], u32[], u32[]) collective-permute-start(%e), source_target_pairs={{0,4}}
}
"""
    found = {one["kind"]: one for one in plan.collectives(program, mesh)}
    gather = {"kind": "all-gather", "dtype": "bf16", "axes": "tensor", "times": 1, "bytes": 128}
    assert found["all-gather"] == gather
    assert found["all-reduce"]["bytes"] == 32 and found["all-reduce"]["axes"] == "data,fsdp,tensor"
    assert (
        found["collective-permute"]["bytes"] == 24 and found["collective-permute"]["axes"] == "data"
    )


def test_memory_of_a_donated_step(mesh):
    place = NamedSharding(mesh, P("fsdp"))
    step = jax.jit(lambda x: x @ x.T @ x, donate_argnums=0, out_shardings=place)
    compiled = step.lower(jax.ShapeDtypeStruct((64, 64), jnp.float32, sharding=place)).compile()
    found = plan.report(compiled, mesh)["memory"]
    assert found["arguments"] == found["outputs"] == found["donated"] == 64 * 64 * 4 // 2
    assert found["peak"] == found["arguments"] + found["temporary"]


def test_one_device_exchanges_nothing():
    mesh = sharding.mesh_of(jax.devices()[:1])
    compiled = jax.jit(jnp.sum).lower(jnp.zeros(8)).compile()
    assert plan.report(compiled, mesh)["collectives"] == []
    assert "none" in plan.text(plan.report(compiled, mesh))


def work(config) -> float:
    """FLOPs of a step of a config when every row is full, as the plan counts them."""
    words = None
    if assemble.reads_comments(config):
        words = Vocabulary.build((f"w{i}", 1, 1) for i in range(config.words.cap))
    model, examples = assemble.model(config, words), assemble.examples(config, words)
    return clock.work(model, full.batch(examples, config.train.batch))


# The networks of these are large, and the compiler takes seconds to count their work.
LARGE = ("frames", "frozen", "unfrozen", "resample", "release", "release_frames")
MORE = {cten: ("ekman6,detection", "tiny,detection"), lstc: ("small,arousal,tuned",),
        vaanet: ("tiny,vs", "tiny,at"), danmaku_comments: ("small,bert",)}  # fmt: skip
CONFIGS = (tam_pretrain, tam_finetune, vaanet, cten, lstc, danmaku, danmaku_comments)


@pytest.mark.parametrize("module", CONFIGS)
def test_a_full_step_of_every_variant_is_work(module):
    large = LARGE if module in (vaanet, cten) else ()
    names = {"", *module.VARIANTS, *MORE.get(module, ())} - set(large)
    found = {name: work(module.get_config(name)) for name in names}
    assert min(found.values()) > 0, found


@pytest.mark.slow
@pytest.mark.parametrize("module", [vaanet, cten])
def test_a_full_step_from_frames_is_work_of_its_networks(module):
    small = work(module.get_config("tiny"))
    for name in set(LARGE) & set(module.VARIANTS) - {"release" if module is cten else ""}:
        assert work(module.get_config(name)) > 100 * small


def test_the_plan_of_labelled_comments_has_work_in_it():
    told = plan.of_config(danmaku_comments.get_config("small"))
    assert float(re.search(r"([\d.]+) GFLOP a step", told)[1]) > 0, told


def test_the_work_is_counted_before_anything_is_compiled(monkeypatch):
    def fails(model, batch):
        raise UserError("counted")

    monkeypatch.setattr(clock, "work", fails)
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda *_: pytest.fail("compiled"))
    with pytest.raises(UserError, match="counted"):
        plan.of_config(lstc.get_config("small,intra"))


@pytest.mark.slow
@pytest.mark.parametrize("module, name", [(lstc, "small,intra"), (cten, "small,detection")])
def test_the_plan_of_films_and_of_detection(module, name):
    told = plan.of_config(module.get_config(name))
    assert "PREDICTION of weak scaling" in told, told


@pytest.mark.slow
def test_the_plan_of_a_config():
    config = tam_pretrain.get_config("small")
    config.mesh.fsdp, config.mesh.tensor = 2, 2
    told = plan.of_config(config)
    for part in ("parameters,", "GFLOP a step", "memory a device", "all-reduce", "over data",
                 "PREDICTION of weak scaling", "H200", "v5p"):  # fmt: skip
        assert part in told, told


def test_a_tpu_without_its_compiler_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs its compiler .*pip install libtpu"):
        plan.tpu_devices("v5e:2x2")


@pytest.mark.slow
def test_the_plan_for_a_tpu_that_is_not_at_hand():
    pytest.importorskip("libtpu", reason="it compiles for TPUs")
    config = tam_pretrain.get_config("small")
    config.mesh.fsdp = 2
    told = plan.of_config(config, topology="v5e:2x2")
    assert "compiled for 4 of TPU v5 lite" in told
    assert "all-reduce" in told and "PREDICTION" in told
    with pytest.raises(UserError, match="no such topology"):
        plan.tpu_devices("v99:2x2")
