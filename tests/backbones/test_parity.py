"""Our networks against the same ones in torch: equal weights and input, equal answers.

The golden files hold what the twins answered at small sizes, so that the check stays alive where
torch is not installed. `python -m tests.backbones.test_parity` writes them anew.
"""

import pytest

from tests.backbones.networks import FULL, SMALL
from tests.backbones.parity import (
    TOLERANCE,
    answer,
    drawn,
    further,
    keep,
    kept,
    load,
    shapes_of,
)


def ours(case, arrays):
    fed = case.feed()
    return answer(
        case.name, arrays, lambda m, v, s: case.ours(m, v, s, *fed), case.config, **case.arguments
    )


def theirs(case):
    """The twin's shapes, the arrays it was given, and its answers."""
    import torch

    twin = case.twin()
    shapes = shapes_of(twin)
    arrays = tied(drawn(shapes))
    with torch.no_grad():
        found = case.theirs(load(twin, arrays), *map(torch.tensor, case.feed()))
    return shapes, arrays, {key: value.numpy() for key, value in found.items()}


def tied(arrays):
    """BERT's word scores share the word embedding and one bias."""
    head = "cls.predictions"
    if f"{head}.decoder.weight" in arrays:
        arrays[f"{head}.decoder.weight"] = arrays["bert.embeddings.word_embeddings.weight"]
        arrays[f"{head}.decoder.bias"] = arrays[f"{head}.bias"]
    return arrays


def unlike(found, wanted):
    """The answers that one lacks, or that lie further apart than rounding."""
    return [key for key in {**found, **wanted} if key not in found or key not in wanted
            or not further(found[key], wanted[key]) <= TOLERANCE]  # fmt: skip


def skip_without_twins(name):
    pytest.importorskip("torch", reason="the twins are written for torch")
    if name in ("clip_vit", "bert"):
        pytest.importorskip("transformers", reason="it holds the twin")


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_equal_their_twins(name):
    skip_without_twins(name)
    _, arrays, wanted = theirs(SMALL[name])
    assert unlike(ours(SMALL[name], arrays), wanted) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_full_networks_equal_their_twins(name):
    skip_without_twins(name)
    _, arrays, wanted = theirs(FULL[name])
    assert unlike(ours(FULL[name], arrays), wanted) == []


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_answer_as_their_twins_once_did(name):
    shapes, wanted = kept(name)
    assert unlike(ours(SMALL[name], tied(drawn(shapes))), wanted) == []


if __name__ == "__main__":
    for name, case in SMALL.items():
        shapes, _, outputs = theirs(case)
        keep(name, shapes, outputs)
