"""The networks by name: which module, which published file, what goes in and what comes out.

A module gives
  Settings                                a frozen dataclass: every size, and the normalisation
  tree(settings)                          {"params": ..., "batch_stats": ...} of `Leaf`s
  apply(variables, x, settings)           the features
  read_settings(state, config)            what a checkpoint shows of its settings
  from_torch(state, settings)             its arrays in our layout
"""

import dataclasses
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from affectjax.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class Row:
    """One network."""

    path: str  # of its module
    file: str  # the published checkpoint
    home: str  # where it is published
    reads: str
    gives: str

    @property
    def module(self) -> ModuleType:
        """The module of the network, imported when it is asked for."""
        return importlib.import_module(self.path)


ROOM = "affectjax.backbones"
ROWS = {
    "clip": Row(
        f"{ROOM}.clip_vit",
        "the folder with config.json and model.safetensors or pytorch_model.bin",
        "huggingface.co/openai/clip-vit-base-patch32",
        "a picture, 224 x 224",
        "512, projected",
    ),
    "bert": Row(
        f"{ROOM}.bert",
        "the folder with config.json, vocab.txt and model.safetensors or pytorch_model.bin",
        "huggingface.co/hfl/chinese-bert-wwm",
        "word pieces",
        "768 a word piece",
    ),
    "vggish": Row(
        f"{ROOM}.vggish",
        "vggish-10086976.pth, with vggish_pca_params-970ea276.pth for principal components (or the "
        "TensorFlow release's variables as .npz, by their names)",
        "github.com/harritaylor/torchvggish/releases",
        "log-mel sound, 96 x 64 per 0.96 s",
        "128",
    ),
    "places365": Row(
        f"{ROOM}.vgg16",
        "vgg16_places365.caffemodel, or a .pth with Caffe's or torchvision's names",
        "github.com/CSAILVision/places365",
        "a picture, 224 x 224",
        "512, the last pooling's mean",
    ),
    "openpose": Row(
        f"{ROOM}.openpose",
        "body_pose_model.pth, or OpenPose's own pose_iter_440000.caffemodel",
        "github.com/Hzzone/pytorch-openpose",
        "a picture, sides multiples of 8",
        "128 maps at an eighth of the size, or their mean",
    ),
    "resnet3d": Row(
        f"{ROOM}.resnet3d",
        "resnet-101-kinetics.pth, r3d101_K_200ep.pth or r3d101_KM_200ep.pth",
        "github.com/kenshohara/3D-ResNets-PyTorch",
        "a snippet, 16 x 112 x 112",
        "2048, pooled, or their map of 1 x 4 x 4",
    ),
    "resnet": Row(
        f"{ROOM}.resnet",
        "resnet50-0676ba61.pth or resnet18-f37072fd.pth",
        "pytorch.org/vision (torchvision.models)",
        "a picture, 224 x 224, or sound as a picture of one channel",
        "2048 (of 18 layers 512), pooled, or their map",
    ),
    "xception": Row(
        f"{ROOM}.xception",
        "xception-43020ad28.pth, or one trained on faces, with a layer of 3072 before the last",
        "github.com/Cadene/pretrained-models.pytorch",
        "a face, 160 x 160, or a picture, 299 x 299",
        "3072 of the added layer, or 2048, pooled",
    ),
    "efficientnet": Row(
        f"{ROOM}.efficientnet",
        "efficientnet_b0_rwightman-7f5810bc.pth, or timm's efficientnet_b0 as .safetensors",
        "pytorch.org/vision (torchvision.models) or huggingface.co/timm",
        "a picture, 224 x 224",
        "1280, pooled",
    ),
    "mtcnn": Row(
        f"{ROOM}.mtcnn",
        "pnet.pt, rnet.pt and onet.pt, or one .npz file with their arrays",
        "github.com/timesler/facenet-pytorch",
        "a picture of any size",
        "boxes of faces, with scores and landmarks",
    ),
}


def row(name: str) -> Row:
    """The row of a network; an unknown name is an error that names the nearest."""
    if name not in ROWS:
        raise UserError(f"There is no backbone {name!r}", mend=nearest(name, ROWS))
    return ROWS[name]


def settings(name: str, arguments: Mapping[str, Any] | None = None) -> Any:
    """The module's `Settings` with `arguments` over its own."""
    made = row(name).module.Settings
    known = [field.name for field in dataclasses.fields(made)]
    arguments = arguments or {}
    for key in arguments:
        if key not in known:
            raise UserError(f"{name} has no setting {key!r}", mend=f"It has {', '.join(known)}.")
    return made(**{key: _tuples(value) for key, value in arguments.items()})


def how_to_get(name: str, option: str = "weights") -> str:
    """One line: which file, where it is published, which command converts it."""
    found = row(name)
    command = f"python -m affectjax.convert {name} CHECKPOINT --out=DIR"
    return f"Get {found.file} from {found.home}, convert it with `{command}`, and say {option}=DIR."


def _tuples(value: Any) -> Any:
    """JSON knows no tuples; settings must be hashable."""
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
