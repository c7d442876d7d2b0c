"""How a command fails: one sentence on standard error, an exit code, never a traceback."""

from __future__ import annotations

import re
import sys
import traceback

import typer

from console.cli.clean import clean
from domain.errors import TowpathError

FAILED = 1
USAGE = 2
REFUSED = 3

_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+@")


class Refused(TowpathError):
    """A rule, or a name that does not exist, refused a change. Exit code 3."""

    code = "refused"


def without_passwords(text: str) -> str:
    """The text with passwords in URLs masked (RFC 3986, section 3.2.1: never render them as clear text)."""
    return _PASSWORD.sub(r"\1:***@", text)


def say(sentence: str) -> None:
    """One line on standard error."""
    typer.echo(without_passwords(clean(sentence)), err=True)


def explain_failure(error: Exception, *, debug: bool) -> int:
    """Say what went wrong; the exit code."""
    if isinstance(error, typer.TyperException):
        say(_usage_sentence(error))
        return error.exit_code
    if isinstance(error, typer.Abort):
        say("Stopped; nothing was changed.")
        return FAILED
    if isinstance(error, TowpathError):
        say(error.sentence)
        return REFUSED if isinstance(error, Refused) else FAILED
    if debug:
        sys.stderr.write(without_passwords("".join(traceback.format_exception(error))))
        return FAILED
    say(f"Something unexpected happened ({type(error).__name__}). Run it again with TOWPATH_LOG=debug.")
    return FAILED


def _usage_sentence(error: typer.TyperException) -> str:
    """What typer complains about, with where to read how it is done."""
    context = getattr(error, "ctx", None)
    hint = f" See '{context.command_path} --help'." if context is not None else " See 'towpath --help'."
    message = " ".join(error.format_message().split())
    return (message if message.endswith((".", "?", "!")) else message + ".") + hint
