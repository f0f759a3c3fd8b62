"""Write the built-in sample as a dataset: python -m data_prep.sample --out=DIR [--size=study]"""

import argparse
import sys

from affectjax.data import sample
from affectjax.errors import BAD_INPUT, COMPLETE, UserError


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m data_prep.sample", description=__doc__)
    parser.add_argument("--out", required=True, metavar="DIR", help="the dataset's folder")
    parser.add_argument("--size", default="quick", choices=list(sample.SIZES))
    parser.add_argument("--seed", type=int, default=0, help="another seed, other stories")
    parser.add_argument("--format", default="tfrecord", choices=["tfrecord", "array_record"])
    flags = parser.parse_args(argv)
    try:
        made = sample.ensure(flags.out, flags.size, flags.seed, format=flags.format)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return BAD_INPUT
    sources = sample.SIZES[flags.size]
    clips = ", ".join(f"{name} {n * sources.clips}" for name, n in sources.sources.items())
    print(f"{'made' if made else 'already there'}: {flags.out} (clips: {clips})")
    return COMPLETE


if __name__ == "__main__":
    sys.exit(main())
