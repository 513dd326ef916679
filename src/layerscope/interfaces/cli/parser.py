"""The parser of the shell: its help, and what it answers to words that it does not know."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from layerscope.core import console
from layerscope.core.suggestions import did_you_mean

FAILED = 2  #: exit code

#: What argparse says, with the value as ``repr`` writes it.
_CHOICE = re.compile(
    r"argument (?P<what>\S+): invalid choice: (?P<given>.*?) \(choose from .*", re.DOTALL
)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without a page of usage before it."""

    commands: Mapping[str, Parser] | None = None  #: all of them by name, once they are there

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read the arguments; what is not known is refused, and what is near it named."""
        known, rest = super().parse_known_args(args, namespace)
        if rest and self.commands is not None:
            self.error(self._unknown(rest))
        return known, rest

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit with code 2."""
        choice = _CHOICE.fullmatch(message)
        if choice is not None:
            message = self._no_choice(choice["what"], choice["given"])
        console.report(f"{self.prog}: error: {message}")
        self.exit(FAILED)

    def options(self) -> list[str]:
        """Return the long options."""
        named = (name for action in self._actions for name in action.option_strings)
        return [name for name in named if name.startswith("--")]

    def _print_message(self, message: str, file: Any = None) -> None:
        # What argparse itself writes fails where the terminal has no × or –.
        console.say(*message.rstrip("\n").split("\n"))

    def _unknown(self, rest: Sequence[str]) -> str:
        """Return what to say of arguments that the command does not take."""
        option = next((word.partition("=")[0] for word in rest if word.startswith("-")), None)
        if option is None:
            words = " ".join(rest)
            return f"unrecognized arguments: {words} (inputs stand together, before the options)"
        unknown = f"there is no option {option}"
        near = did_you_mean(option, self.options(), write=str)
        if near:
            return f"{unknown}: {near}"
        others = [
            name for name, parser in (self.commands or {}).items() if option in parser.options()
        ]
        if others:
            return f"{unknown} here: it is one of {_listed(others)}; {self._helped()}"
        return f"{unknown}: {self._helped()}"

    def _helped(self) -> str:
        return f"'{self.prog} --help' lists those that there are"

    def _no_choice(self, what: str, given: str) -> str:
        """Return what to say of a value that is none of those that there are."""
        action = next(
            action
            for action in self._actions
            if what in ("/".join(action.option_strings), action.metavar, action.dest)
        )
        choices = list(map(str, action.choices or ()))
        near = did_you_mean(given.strip("'\""), choices, most=2)
        if what == "COMMAND":
            near = near or "'layerscope help' lists them."
            return f"there is no command {given}: {near}"
        near = near and f"; {near}"
        return f"argument {what}: {given} is none of {', '.join(choices)}{near}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
