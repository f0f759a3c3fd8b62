"""BERT made ready to classify comments: python -m affectjax.start_bert WEIGHTS VOCABULARY ...

WEIGHTS is a folder that `python -m affectjax.convert bert` wrote, VOCABULARY the vocab.txt beside
the published checkpoint. DIR becomes an export without heads, for --config.train.init_from=DIR: the
rows of the word embedding in the order of our vocabulary, whose first entries are [PAD], [UNK],
[CLS] and [MASK] under our names.
"""

import dataclasses
import json
import pathlib
import sys

import numpy as np

from affectjax import exits, files
from affectjax.errors import COMPLETE, UserError
from affectjax.flags import Parser

THEIRS = ("[PAD]", "[UNK]", "[CLS]", "[MASK]")  # what PAD, UNKNOWN, START and MASK are called there


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    return exits.of(_main, argv)


def _main(argv: list[str] | None) -> int:
    parser = Parser("python -m affectjax.start_bert", __doc__)
    parser.add_argument("weights", metavar="WEIGHTS")
    parser.add_argument("vocabulary", metavar="VOCABULARY")
    parser.add_argument("--out", required=True, metavar="DIR")
    flags = parser.parse_args(argv)
    made = write(*map(pathlib.Path, (flags.weights, flags.vocabulary, flags.out)))
    print(f"{flags.out}: say these to the training\n  --config.train.init_from={flags.out} {made}")
    return COMPLETE


def write(weights: pathlib.Path, vocabulary: pathlib.Path, out: pathlib.Path) -> str:
    """Write the export; gives the flag that names the network's sizes."""
    import safetensors.numpy

    from affectjax.backbones import weights as stored

    found = stored.load(weights, "bert")
    if not found.settings.pooler:
        mend = "Convert the published checkpoint, which has one."
        raise UserError("the weights have no pooler, which the heads read", str(weights), mend)
    words, order = reordered(vocabulary, found.settings.vocabulary)
    params = dict(found.variables["params"])
    params.pop("head", None)
    params["words"] = np.asarray(params["words"])[order]
    arrays = {
        f"params/encoder/{k}": np.ascontiguousarray(v) for k, v in stored.flat(params).items()
    }
    sizes = {key: value for key, value in dataclasses.asdict(found.settings).items()
             if key not in ("vocabulary", "pooler", "head")}  # fmt: skip
    about = {
        "format": 1,
        "config": {"model": {"name": "danmaku_comments", "encoder": "bert", "network": sizes}},
        "made_from": {"weights": found.digest, "trained": found.trained},
    }
    if out.exists():
        raise UserError("There is something already", str(out), "Name another --out.")
    try:
        with files.folder(out) as made:
            safetensors.numpy.save_file(arrays, made / "model.safetensors")
            words.save(made / "vocabulary.txt")
            about["files"] = {path.name: files.sha256(path) for path in made.iterdir()}
            (made / "config.json").write_text(json.dumps(about, indent=1, sort_keys=True))
    except OSError as error:
        raise UserError("the export cannot be written", str(out), str(error)) from error
    return f'"--config.model.network={sizes}"'


def reordered(path: pathlib.Path, count: int):
    """(our vocabulary, the rows [V] of theirs in our order)."""
    from affectjax.data.vocabulary import SPECIALS, Vocabulary

    try:
        text = path.read_bytes().decode().removesuffix("\n")
        lines = [line.removesuffix("\r") for line in text.split("\n")]  # a line may be a separator
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the vocabulary cannot be read: {error}", str(path)) from error
    missing = [name for name in (*THEIRS, "[SEP]") if name not in lines]
    if missing or len(lines) != count:
        what = f"{missing[0]} is missing" if missing else f"{len(lines)} entries for {count} rows"
        raise UserError(f"this is not the weights' vocabulary: {what}", str(path), "Take its own.")
    place = {word: i for i, word in enumerate(lines)}
    # a few published lists hold a word twice, or a kind of space, which no text can ask for
    rest = [
        i for i, word in enumerate(lines)
        if word not in THEIRS and place[word] == i and word.split() == [word]
    ]  # fmt: skip
    words = Vocabulary((*SPECIALS, *(lines[i] for i in rest)))
    return words, np.array([place[name] for name in THEIRS] + rest)


if __name__ == "__main__":
    sys.exit(main())
