"""The commands and the Python of README.md, as whoever reads it would type them.

A command stands in an indented or a fenced block, or in backticks where it begins like one. A line
that ends in a backslash goes on; what follows two spaces and `#` is a remark.
"""

import pathlib
import re
import textwrap

ROOT = pathlib.Path(__file__).parent.parent
BEGINS = (
    "python ",
    "bash ",
    "sbatch ",
    "pip ",
    "launch/k",
    "launch/p",
    "launch/t",
    "launch/l",
    ". .venv",
)
PYTHON = ("import ", "from ")


def blocks(text: str) -> list[str]:
    """Indented and fenced blocks, without their indentation."""
    found, fenced, lines = [], False, []
    for line in [*text.splitlines(), "the end"]:
        if line.startswith("```"):
            fenced = not fenced
            if lines:
                found.append(textwrap.dedent("\n".join(lines)))
            lines = []
        elif fenced or line.startswith("    ") or (lines and not line.strip()):
            lines.append(line)
        else:
            if lines:
                found.append(textwrap.dedent("\n".join(lines)))
            lines = []
    return [each.strip("\n") for each in found]


def commands(text: str) -> list[str]:
    """Every command, each once, in the order of the text."""
    found = []
    for block in blocks(text):
        if block.startswith(PYTHON):
            continue
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            line = re.sub(r"\s+#.*$", "", line).strip()
            if line.startswith(BEGINS):
                found.append(line)
    for word in re.findall(r"`([^`\n]+)`", re.sub(r"(?m)^(    |```).*$", "", text)):
        if word.startswith(BEGINS):
            found.append(word.removesuffix(" ...").strip())
    return list(dict.fromkeys(found))


def pythons(text: str) -> list[str]:
    """The blocks of Python."""
    return [block for block in blocks(text) if block.startswith(PYTHON)]


def read() -> str:
    """The README of this project."""
    return (ROOT / "README.md").read_text()
