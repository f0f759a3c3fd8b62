"""Tokenisers by name: a text in, its words out.

`jieba` for Chinese, `whitespace` for languages that put spaces between words, and
`wordpiece:FOLDER` for the vocabulary of a BERT checkpoint (continuations keep their `##`).
"""

import functools
import hashlib
import json
import logging
import pathlib
import unicodedata
from collections.abc import Callable

from affectjax.errors import UserError

Tokeniser = Callable[[str], list[str]]
PREP = 'Install the extra "prep", or choose the tokeniser whitespace.'


@functools.cache
def tokeniser(name: str) -> Tokeniser:
    """The tokeniser of that name; what it needs is loaded here, not when this file is imported."""
    kind, _, folder = name.partition(":")
    if name == "jieba":
        return _jieba()
    if name == "whitespace":
        return whitespace
    if kind == "wordpiece" and folder:
        return _wordpiece(pathlib.Path(folder))
    raise UserError(
        f"There is no tokeniser {name!r}", mend="Choose jieba, whitespace or wordpiece:FOLDER."
    )


def settings(name: str) -> dict[str, str]:
    """What the words depend on, to be part of the key of what was made of them."""
    kind, _, folder = name.partition(":")
    if name == "jieba":
        return {"name": name, "version": _import_jieba().__version__}
    if kind == "wordpiece":
        data = b"".join(path.read_bytes() for path in _wordpiece_files(pathlib.Path(folder)))
        return {"name": kind, "digest": hashlib.sha256(data).hexdigest()}
    return {"name": name, "unicode": unicodedata.unidata_version}


def whitespace(text: str) -> list[str]:
    """Words between spaces, without the punctuation at their ends."""
    words = []
    for word in text.split():
        if not word.isalnum():
            start, end = 0, len(word)
            while start < end and unicodedata.category(word[start])[0] in "PSC":
                start += 1
            while end > start and unicodedata.category(word[end - 1])[0] in "PSC":
                end -= 1
            word = word[start:end]
        if word:
            words.append(word)
    return words


def _import_jieba():
    try:
        import jieba
    except ImportError as error:
        raise UserError("The tokeniser jieba is not installed", mend=PREP) from error
    return jieba


def _jieba() -> Tokeniser:
    jieba = _import_jieba()
    jieba.setLogLevel(logging.WARNING)
    own = jieba.Tokenizer()  # of our own, so that nobody's added words change what comes out
    own.initialize()
    return own.lcut


def _wordpiece_files(folder: pathlib.Path) -> list[pathlib.Path]:
    files = [folder / "vocab.txt", folder / "tokenizer_config.json"]
    if not files[0].is_file():
        mend = "Give the folder of a BERT checkpoint, which has a vocab.txt."
        raise UserError("There is no vocabulary of word pieces", str(files[0]), mend)
    return [path for path in files if path.is_file()]


def _wordpiece(folder: pathlib.Path) -> Tokeniser:
    try:
        from tokenizers import BertWordPieceTokenizer
    except ImportError as error:
        raise UserError("The library tokenizers is not installed", mend=PREP) from error
    vocabulary, *config = _wordpiece_files(folder)
    try:
        said = json.loads(config[0].read_text()) if config else {}
        lowercase = bool(said.get("do_lower_case", True))
        made = BertWordPieceTokenizer(str(vocabulary), lowercase=lowercase)
    except Exception as error:  # the library raises plain Exception
        raise UserError(f"The word pieces cannot be read: {error}", str(folder)) from error
    return lambda text: made.encode(text, add_special_tokens=False).tokens
