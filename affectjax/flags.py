"""A command's flags, where whatever is wrong is one line and the nearest right name is told."""

import argparse

from affectjax.errors import UserError, nearest


class Parser(argparse.ArgumentParser):
    """argparse whose errors are `UserError`s; the description keeps its lines.

    `mixed` lets positional arguments stand between flags.
    """

    def __init__(self, prog: str, description: str = "", mixed: bool = False, **settings):
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **settings,
        )
        self.mixed = mixed

    def error(self, message: str):
        """A wrong flag as one line."""
        raise UserError(message, mend=f"`{self.prog} --help` names everything.")

    def parse_args(self, args=None, namespace=None):
        """The flags; an unknown one is an error that names the nearest."""
        parse = self.parse_known_intermixed_args if self.mixed else self.parse_known_args
        found, rest = parse(args, namespace)
        if rest:
            name = rest[0].partition("=")[0]
            known = [option for option in self._option_string_actions if option != "-h"]
            mend = nearest(name, known, f"`{self.prog} --help` names them.")
            what = "there is no flag" if name.startswith("-") else "nothing takes the argument"
            raise UserError(f"{what} {name}", mend=mend)
        return found
