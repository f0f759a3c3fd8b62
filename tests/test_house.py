"""The rooms of the house: who may import whom, what stands at the top, what every module says."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FILES = sorted(
    path for room in ("affectjax", "configs", "data_prep") for path in (ROOT / room).rglob("*.py")
)

# Room -> what no file in it may import.
NEVER = {
    "affectjax/data/": ("jax", "flax", "optax", "orbax", "affectjax.models", "affectjax.layers",
                        "affectjax.train", "data_prep"),
    "affectjax/media/": ("jax", "flax", "affectjax.models", "affectjax.layers",
                         "affectjax.backbones", "affectjax.train", "data_prep"),
    "affectjax/backbones/": ("affectjax.models", "affectjax.train", "affectjax.data",
                             "ml_collections", "data_prep"),
    "affectjax/layers/": ("affectjax.models", "affectjax.train", "affectjax.data", "ml_collections",
                          "data_prep"),
    "affectjax/models/": ("affectjax.train", "affectjax.data", "affectjax.configlib",
                          "ml_collections", "data_prep"),
    "affectjax/": ("data_prep", "configs", "tests"),
    "configs/": ("jax", "flax", "affectjax.train", "affectjax.data", "affectjax.models"),
    "data_prep/": ("tests", "configs"),
}  # fmt: skip


def imported(path: pathlib.Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_keeps_to_its_room_and_says_what_it_promises(path):
    place = str(path.relative_to(ROOT))
    for room, banned in NEVER.items():
        if place.startswith(room):
            bad = [n for n in imported(path) for b in banned if n == b or n.startswith(b + ".")]
            assert not bad, f"{place} imports {bad}"
    text = path.read_text()
    if text.strip():
        promise = ast.get_docstring(ast.parse(text))
        assert promise, f"{place} has no docstring"


def unsaid(tree: ast.AST, prefix: str = "") -> list[str]:
    """Public classes, functions and methods without a docstring, by name.

    `setup` is Linen's own, and a signature for type checkers belongs to the function that follows.
    """
    found = []
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name.startswith("_"):
            continue
        name = prefix + node.name
        signature = "overload" in map(ast.unparse, node.decorator_list)
        if node.name != "setup" and not signature and not ast.get_docstring(node):
            found.append(name)
        if isinstance(node, ast.ClassDef):
            found += unsaid(node, name + ".")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_public_name_says_what_it_is(path):
    assert unsaid(ast.parse(path.read_text())) == []


def test_nothing_but_the_rooms_stands_at_the_top():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode or not listed.stdout:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}
    seen = {name for name in top if not name.startswith(".")}
    assert seen == {"pyproject.toml", "README.md", "LICENSE", "affectjax", "configs", "data_prep",
                    "tests", "launch"}  # fmt: skip


def test_importing_the_package_is_quick_and_starts_nothing():
    code = "import affectjax, sys; assert 'jax' not in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
