"""Who acts at the command line: the installation's operator, named after the user of the operating system."""

from __future__ import annotations

import getpass
import os
import sys

from domain.access import Actor


def actor_name() -> str:
    """``cli:`` and the name, as the audit writes it; where the system knows none, the number of the user."""
    return f"cli:{_user()}"


def acting() -> Actor:
    """The actor at this command line: whoever has the database at hand may do all."""
    return Actor.installation(actor_name())


def _user() -> str:
    if sys.platform == "win32":
        return getpass.getuser()
    import pwd  # noqa: PLC0415 - does not exist everywhere

    # Not by the environment, which anybody may set.
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
