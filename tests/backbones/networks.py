"""Small and full sizes of the networks: our settings, the torch twin, what both are fed."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from affectjax.backbones import bert, openpose, vgg16, vggish
from tests.backbones.parity import picture


@dataclasses.dataclass(frozen=True)
class Case:
    """One network at one size."""

    name: str  # in the catalogue
    twin: Callable[[], Any]  # torch module
    feed: Callable[[], tuple[np.ndarray, ...]]
    ours: Callable[..., dict[str, Any]]  # (module, variables, settings, *fed) -> outputs
    theirs: Callable[..., dict[str, Any]]  # (twin, *fed as tensors) -> outputs
    config: dict = dataclasses.field(default_factory=dict)  # a hub's config.json
    arguments: dict = dataclasses.field(default_factory=dict)


def clip_case(config, batch):
    def twin():
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        return CLIPVisionModelWithProjection(CLIPVisionConfig(**config))

    def theirs(twin, x):
        return {"features": twin(pixel_values=x.permute(0, 3, 1, 2)).image_embeds}

    size = config["image_size"]
    return Case(
        "clip",
        twin,
        lambda: (picture(batch, size, size, 3),),
        lambda module, v, s, x: {"features": module.apply(v, x, s)},
        theirs,
        config,
    )


def bert_case(config, batch, length):
    def twin():
        from transformers import BertConfig, BertForPreTraining

        return BertForPreTraining(BertConfig(**config))

    def feed():
        rng = np.random.default_rng(1)
        tokens = rng.integers(0, config["vocab_size"], (batch, length))
        mask = np.arange(length) < rng.integers(2, length + 1, batch)[:, None]
        types = rng.integers(0, 2, (batch, length))
        return tokens, mask, types

    def ours(module, v, s, tokens, mask, types):
        hidden = bert.apply(v, tokens, s, mask, types)
        scores = bert.word_scores(v, hidden, s)
        hidden, scores = (x * mask[..., None] for x in (hidden, scores))
        return {"hidden": hidden, "pooled": bert.pool(v, hidden), "scores": scores}

    def theirs(twin, tokens, mask, types):
        found = twin.bert(tokens, mask.long(), types)
        scores = twin.cls(found.last_hidden_state, found.pooler_output)[0]
        seen = mask[..., None]  # what stands at padding is nobody's concern
        hidden = found.last_hidden_state * seen
        return {"hidden": hidden, "pooled": found.pooler_output, "scores": scores * seen}

    return Case("bert", twin, feed, ours, theirs, config)


def vggish_case(batch, **arguments):
    s = vggish.Settings(**arguments)

    def twin():
        from tests.backbones.twins import Vggish

        return Vggish(s.plan, s.flat, s.hidden, s.width)

    return Case(
        "vggish",
        twin,
        lambda: (picture(batch, s.frames, s.mels),),
        lambda module, v, s, x: {"features": module.apply(v, x, s)},
        lambda twin, x: {"features": twin(x)},
        arguments=arguments,
    )


def vgg16_case(batch, size, **arguments):
    s = vgg16.Settings(**arguments)

    def twin():
        from tests.backbones.twins import Vgg16

        return Vgg16(s.plan)

    return Case(
        "places365",
        twin,
        lambda: (picture(batch, *size, 3),),
        lambda module, v, s, x: {"features": module.apply(v, x, s)},
        lambda twin, x: {"features": twin(x)},
        arguments=arguments,
    )


def openpose_case(batch, size, **arguments):
    s = openpose.Settings(**arguments)

    def twin():
        from tests.backbones.twins import OpenPose

        plan = lambda stage, branch: openpose.stage_plan(stage, branch, s)  # noqa: E731
        return OpenPose(s.plan, s.stages, plan, s.narrow[-1])

    def ours(module, v, s, x):
        limbs, joints = module.poses(v, x, s)
        return {"trunk": module.trunk(v, x, s), "limbs": limbs, "joints": joints}

    return Case(
        "openpose",
        twin,
        lambda: (picture(batch, *size, 3),),
        ours,
        lambda twin, x: dict(zip(("trunk", "limbs", "joints"), twin(x))),
        arguments=arguments,
    )


SMALL = {
    "clip_vit": clip_case(
        dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             image_size=24, patch_size=8, projection_dim=12), 3,
    ),
    "bert": bert_case(
        dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             vocab_size=40, max_position_embeddings=12), 3, 7,
    ),
    "vggish": vggish_case(2, widths=(4, 6, 8, 8, 10, 10), hidden=24, width=12),
    "vgg16": vgg16_case(2, (67, 35), widths=(4, 6, 8, 10, 12)),
    "openpose": openpose_case(
        2, (24, 34), widths=(4, 6, 8, 10), narrow=(8, 6), stages=3, hidden=12,
    ),
}  # fmt: skip

CLIP_B32 = dict(
    hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
    image_size=224, patch_size=32, projection_dim=512,
)  # fmt: skip
BERT_BASE = dict(
    hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
    vocab_size=21_128,
)  # fmt: skip

FULL = {
    "clip_vit": clip_case(CLIP_B32, 2),
    "bert": bert_case(BERT_BASE, 2, 16),
    "vggish": vggish_case(2),
    "vgg16": vgg16_case(1, (224, 224)),
    "openpose": openpose_case(1, (64, 64)),
}
