"""A checkpoint comes back as it was saved, on any mesh, or says what is wrong with it."""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from affectjax import checkpoint, sharding
from affectjax.checkpoint import Checkpoints
from affectjax.checkpoint import __main__ as command
from affectjax.errors import UserError

HERE = pathlib.Path(__file__).resolve()
HOST = {"best": None, "waited": 2, "loss": 0.1, "data": "d1"}


def make(mesh, seed: int = 0, width: int = 64):
    """A small state with every kind of leaf, placed by the rules."""
    rng = np.random.default_rng(seed)
    tree = {
        "step": np.int32(seed),
        "params": {
            "query": {"kernel": rng.normal(size=(width, width)).astype(np.float32)},
            "norm": {"scale": jnp.asarray(rng.normal(size=width), jnp.bfloat16)},
            "empty": np.zeros((0, 3), np.float32),
        },
        "opt": ({"mu": rng.normal(size=(width, width)).astype(np.float32)}, ()),
        "ema": {},
        "ok": np.bool_(True),
    }
    places = sharding.shardings(tree, mesh)
    return jax.tree.map(lambda x, s: jax.device_put(np.asarray(x), s), tree, places)


def like(state):
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
    )


def same(a, b) -> bool:
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        x.dtype == y.dtype and np.asarray(x).tobytes() == np.asarray(y).tobytes()
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b))
    )


@pytest.fixture
def mesh():
    return sharding.make_mesh(2, 2, 2)


@pytest.fixture
def one():
    """One device: the quickest mesh."""
    return sharding.mesh_of(jax.devices()[:1])


def written(directory, mesh, *steps: int, **settings) -> None:
    saves = Checkpoints(directory, **settings)
    for step in steps:
        saves.save(step, make(mesh, step), HOST | {"at": step})
    saves.close()


def data_files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size)


def flip(file: pathlib.Path, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(bytes(content))


def spoil(directory, step: int) -> None:
    """Flip a bit of an array's values."""
    values = np.asarray(make(sharding.mesh_of(jax.devices()[:1]), step)["opt"][0]["mu"]).tobytes()
    for file in data_files(pathlib.Path(directory) / str(step)):
        if (at := file.read_bytes().find(values[:32])) >= 0:
            return flip(file, at * 8 + 3)
    raise AssertionError("the values were not found")


# ---- what is saved comes back


@pytest.mark.parametrize("asynchronous", [True, False])
def test_there_and_back(mesh, asynchronous):
    state = make(mesh, 7)
    saves = Checkpoints("c", asynchronous=asynchronous)
    assert saves.restore(like(state)) is None
    saves.save(7, state, HOST)
    found, host, step = saves.restore(like(state))
    saves.close()
    assert same(found, state) and host == HOST and step == 7
    assert all(
        a.sharding == b.sharding for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(state))
    )


@pytest.mark.parametrize("sizes", [(8, 1, 1), (1, 8, 1), (1, 2, 4)])
def test_restores_on_another_mesh(mesh, one, sizes):
    written("c", mesh, 3)
    for other in (sharding.make_mesh(*sizes), one):
        target = make(other, 0)
        found, _, _ = checkpoint.restore("c", like(target))
        assert same(found, make(mesh, 3))
        assert found["opt"][0]["mu"].sharding == target["opt"][0]["mu"].sharding


def test_a_step_that_donates_the_state_may_follow_at_once(mesh):
    """The arrays on the host may be views of device memory, which the step wants to reuse."""
    bump = jax.jit(lambda s: jax.tree.map(lambda x: x ^ True if x.dtype == bool else x + 1, s),
                   donate_argnums=0)  # fmt: skip
    state = make(mesh, 1, width=512)
    jax.block_until_ready(bump(make(mesh, 1, width=512)))  # compiled: nothing lies between
    expected = make(mesh, 1, width=512)
    saves = Checkpoints("c")
    for step in range(3):
        saves.save(step, state, {})
        state = bump(state)
        assert same(saves.restore(like(expected))[0], expected)
        expected = bump(expected)
    found = saves.restore(like(expected))[0]
    saves.close()
    once = jax.device_get(found)
    jax.block_until_ready(bump(found))  # nor does a step spoil what was restored
    assert same(checkpoint.restore("c", like(state))[0], once)


def test_keeps_the_newest_and_the_best(one):
    for mode, best in [("max", 2), ("min", 3)]:
        directory = f"c_{mode}"
        saves = Checkpoints(directory, keep=2, best="top1", mode=mode)
        for step, value in enumerate([0.2, 0.5, 0.9, 0.1, 0.3, 0.4, float("nan")]):
            saves.save(step, make(one), {}, {"top1": value, "other": -value})
        saves.save(7, make(one), {})
        saves.close()
        assert checkpoint.steps(directory) == [best, 6, 7]
        assert saves.best_step() == best == checkpoint.best_step(directory, "top1", mode)


def test_saving_an_earlier_step_ends_the_abandoned_course(one):
    written("c", one, 10, 20, 30)
    saves = Checkpoints("c")
    _, host, step = saves.restore(like(make(one)), step=10)
    assert (host["at"], step) == (10, 10)
    saves.save(10, make(one, 99), {})  # what this run started from is not written again
    saves.save(20, make(one, 99), {})
    saves.close()
    assert checkpoint.steps("c") == [10, 20]
    assert same(checkpoint.restore("c", like(make(one)))[0], make(one, 99))
    assert same(checkpoint.restore("c", like(make(one)), 10)[0], make(one, 10))


# ---- what is damaged is not believed


def test_a_hundred_bit_flips_and_never_a_silent_difference(one, capsys):
    written("c", one, 1, 2)
    old, new, target = make(one, 1), make(one, 2), like(make(one))
    files = data_files(pathlib.Path("c/2"))
    sizes = np.array([p.stat().st_size for p in files])
    rng = np.random.default_rng(0)
    fell_back = 0
    # Half anywhere by size, half with every file alike, so that the small ones get their share.
    for number in range(110):
        chosen = (
            rng.choice(len(files), p=sizes / sizes.sum())
            if number % 2
            else number // 2 % len(files)
        )
        file, bit = files[chosen], int(rng.integers(sizes[chosen] * 8))
        flip(file, bit)
        found, host, step = checkpoint.restore("c", target)
        assert step in (1, 2) and host["at"] == step, (file, bit)
        assert same(found, old if step == 1 else new), (file, bit)
        fell_back += step == 1
        flip(file, bit)
    assert fell_back > 40
    assert capsys.readouterr().err.count("step 2 is bad") == fell_back
    assert checkpoint.restore("c", target)[2] == 2


def test_the_warning_names_the_leaf_and_the_older_step_is_taken(mesh, capsys):
    written("c", mesh, 1, 2, 3)
    spoil("c", 3)
    found, host, step = checkpoint.restore("c", like(make(mesh)))
    assert step == host["at"] == 2 and same(found, make(mesh, 2))
    assert "step 3 is bad" in (told := capsys.readouterr().err) and "opt/0/mu" in told
    with pytest.raises(UserError, match="opt/0/mu"):
        checkpoint.restore("c", like(make(mesh)), step=3)
    spoil("c", 2)
    spoil("c", 1)
    with pytest.raises(UserError, match="No good checkpoint: step 3.*step 2.*step 1"):
        checkpoint.restore("c", like(make(mesh)))


def test_missing_and_shortened_files_are_found(one, capsys):
    written("c", one, 1, 2)
    for file in data_files(pathlib.Path("c/2")):
        if "commit_success" in file.name or file.name in ("_sharding", "_CHECKPOINT_METADATA"):
            continue
        content = file.read_bytes()
        for damaged in (None, content[: len(content) // 2]):
            file.unlink() if damaged is None else file.write_bytes(damaged)
            found, _, step = checkpoint.restore("c", like(make(one)))
            assert same(found, make(one, step)), file
            file.write_bytes(content)
    assert "step 2 is bad" in capsys.readouterr().err


def test_another_state_is_named_by_its_leaves(one):
    written("c", one, 1)
    other = make(one)
    other["params"]["extra"] = other["params"].pop("norm")
    with pytest.raises(UserError) as error:
        checkpoint.restore("c", like(other))
    assert "params/extra/scale is not in it" in str(error.value)
    assert "params/norm/scale is only in it" in str(error.value)
    with pytest.raises(UserError, match=r"params/query/kernel is float32\[64, 64\] in it"):
        checkpoint.restore("c", like(make(one, width=8)))
    with pytest.raises(UserError, match="No checkpoint of step 5"):
        checkpoint.restore("c", like(make(one)), step=5)


def test_remains_of_killed_saves_are_cleared(one):
    written("c", one, 1)
    shutil.copytree("c/1", "c/2.orbax-checkpoint-tmp-123")
    (pathlib.Path("c") / "notes").write_text("mine")
    assert checkpoint.steps("c") == [1]
    written("c", one, 3)
    assert sorted(os.listdir("c")) == ["1", "3", "notes"]


def test_command_line(one, capsys):
    written("c", one, 1, 2)
    assert command.main(["verify", "c"]) == 0
    assert capsys.readouterr().out.split() == ["1:", "good", "2:", "good"]
    spoil("c", 2)
    assert command.main(["verify", "c"]) == 2
    assert "2: bad\n  opt/0/mu" in capsys.readouterr().out
    assert command.main(["list", "c"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert command.main(["list", "nowhere"]) == 2


# ---- a disk that refuses


@contextlib.contextmanager
def small_disk(directory: pathlib.Path, kib: int):
    """A directory that holds no more than this: a file system of its own, or a limit on files."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(directory)]
    if os.geteuid() == 0 and not subprocess.run(mount, capture_output=True).returncode:
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", str(directory)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kib * 1024 // 4, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("then", ["save", "wait", "close"])
def test_a_full_disk_is_told_and_older_steps_stay(one, then, tmp_path):
    small, large = make(one, 1), make(one, 2, width=512)  # 2 MiB of arrays
    with small_disk(tmp_path / "c", 1024):
        saves = Checkpoints("c")
        saves.save(1, small, HOST)
        saves.wait()
        saves.save(2, large, HOST)
        with pytest.raises(UserError, match="checkpoint of step 2 was not saved") as error:
            saves.save(3, small, HOST) if then == "save" else getattr(saves, then)()
        assert "Free some space" in str(error.value) and "\n" not in str(error.value)
        assert checkpoint.steps("c") == [1] and os.listdir("c") == ["1"]
        assert same(checkpoint.restore("c", like(small))[0], small)
        if then != "close":  # space was made: the writer goes on
            saves.save(4, small, HOST)
            saves.close()
            assert checkpoint.steps("c") == [1, 4]


def test_a_directory_that_cannot_be_written(one, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="writable"):
        Checkpoints(tmp_path / "file" / "c")
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(UserError, match="writable"):
            Checkpoints(tmp_path / "locked" / "c")


@pytest.mark.parametrize("settings", [{"keep": 0}, {"mode": "most"}])
def test_settings_that_make_no_sense(settings):
    with pytest.raises(UserError):
        Checkpoints("c", **settings)


# ---- processes


def python(body: str, *arguments) -> subprocess.Popen:
    """A process of its own with four simulated devices, this module imported as `t`."""
    head = (
        "import jax, os, resource, sys\n"
        "jax.config.update('jax_platforms', 'cpu')\n"
        "jax.config.update('jax_num_cpu_devices', 4)\n"
        "import numpy as np\n"
        "from affectjax import checkpoint, sharding\n"
        "import tests.test_checkpoint as t\n"
    )
    path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", head + body, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


KILLED = """
mesh = sharding.make_mesh()
saves = checkpoint.Checkpoints('c', keep=2)
for step in range(int(sys.argv[1]), 1000):
    saves.save(step, t.make(mesh, step, width=1024), {'at': step})
    print(step, flush=True)
"""


@pytest.mark.slow
def test_killed_in_the_middle_of_a_save(mesh, one):
    begin = 0
    for attempt in range(3):
        process = python(KILLED, begin)
        for line in process.stdout:
            if line.strip() == str(begin + 3):
                break
        time.sleep(0.01 * attempt)  # the save of that step is under way in the background
        process.send_signal(signal.SIGKILL)
        process.wait()
        found, host, step = checkpoint.restore("c", like(make(mesh, width=1024)))
        assert step in (begin + 2, begin + 3) and host["at"] == step
        assert same(found, make(one, step, width=1024))
        assert all(checkpoint.verify("c", s) == [] for s in checkpoint.steps("c"))
        begin = step + 1
    Checkpoints("c").close()
    assert not [name for name in os.listdir("c") if not name.isdecimal()]


MEMORY = """
mesh = sharding.make_mesh()
ones = jax.jit(lambda: jax.numpy.ones((64, 1 << 20)), out_shardings=sharding.batch_sharding(mesh))
state = jax.block_until_ready({'a': ones()})
saves = checkpoint.Checkpoints('c')
saves.save(0, {'a': state['a'][:4, :4]}, {})  # imports and threads
saves.wait()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for step in range(1, 4):
    saves.save(step, state, {})
saves.close()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**18)
"""


@pytest.mark.slow
def test_a_save_needs_at_most_one_more_copy():
    told, _ = (process := python(MEMORY)).communicate()
    assert process.returncode == 0, told
    assert float(told.split()[-1]) < 1.15  # copies of the 256 MiB


SEVERAL = """
me = int(sys.argv[1])
jax.distributed.initialize('127.0.0.1:' + sys.argv[2], 2, me)
mesh = sharding.make_mesh(2, 2, 2)
def placed(seed):
    plain = jax.tree.map(np.asarray, t.make(sharding.mesh_of(jax.local_devices()[:1]), seed))
    return jax.tree.map(lambda x, s: jax.make_array_from_callback(x.shape, s, lambda i: x[i]),
                        plain, sharding.shardings(plain, mesh))
if me == 0:
    os.makedirs('c/9.orbax-checkpoint-tmp-1')
saves = checkpoint.Checkpoints('c', keep=2, timeout=60)
for step in range(1, 5):
    saves.save(step, placed(step), {'at': step})
saves.wait()
found, host, step = saves.restore(t.like(placed(0)))
print('steps', saves.steps(), sorted(os.listdir('c')))
def mine(tree):
    shards = [s for x in jax.tree.leaves(tree) for s in x.addressable_shards]
    return [np.asarray(s.data).tobytes() for s in shards]

print('same', step, mine(found) == mine(placed(4)))

from jax.experimental import multihost_utils
load = checkpoint.restoring._load
if me == 1:  # one process alone cannot read the newest step
    def refuse(directory, step, *rest):
        if step == 4:
            raise checkpoint.BadCheckpoint('a broken cable')
        return load(directory, step, *rest)
    checkpoint.restoring._load = refuse
found, host, step = saves.restore(t.like(placed(0)))
print('agreed', step, host['at'], mine(found) == mine(placed(3)))
saves.close()

for sizes, each in [((8, 1, 1), 8), ((2, 2, 2), 8), ((1, 1, 8), 16), ((2, 1, 4), 8)]:
    other = sharding.make_mesh(*sizes)
    rows = sharding.host_rows(other, 16)
    whole = np.arange(48.).reshape(16, 3)
    x = sharding.to_global({'x': whole[rows]}, sharding.batch_sharding(other))['x']
    right = all((np.asarray(s.data) == whole[s.index]).all() for s in x.addressable_shards)
    print('rows', len(rows) == each, x.shape == (16, 3), right)
"""


def test_two_processes_save_agree_and_bring_their_rows(mesh):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [python(SEVERAL, me, port) for me in range(2)]
    told = [process.communicate(timeout=120)[0] for process in processes]
    for process, text in zip(processes, told):
        assert process.returncode == 0, text
        assert "steps [3, 4] ['3', '4']" in text
        assert "same 4 True" in text
        assert "agreed 3 3 True" in text
        assert text.count("rows True True True") == 4, text
    assert "step 4 is bad" in told[0]
    assert same(checkpoint.restore("c", like(make(mesh)))[0], make(mesh, 4))
    assert json.loads(pathlib.Path("c/4/host/host.json").read_text())["sha256"]
