"""How people are named and how they sign in: e-mail addresses and passwords, as rules without I/O."""

from __future__ import annotations

from domain.errors import InputError

LONGEST_EMAIL = 254
SHORTEST_PASSWORD = 15
"""Characters of a password that stands alone (NIST SP 800-63B-4, section 3.1.1.2; ASVS 5.0, 6.2.1)."""
LONGEST_PASSWORD = 256
"""Long enough for any sentence, short enough that hashing it costs no more than any other."""


def clean_email(text: str) -> str:
    """The e-mail address as it is stored and looked up: without spaces around it, in lower case.

    Raises:
        InputError: no address: not exactly one ``@`` with something on both sides, spaces within, or too long.
    """
    made = text.strip().lower()
    name, at, host = made.rpartition("@")
    if not (at and name and host) or "@" in name or " " in made or not made.isprintable() or len(made) > LONGEST_EMAIL:
        raise InputError("This is no e-mail address: write it as name@example.com.", code="bad_email")
    return made


def check_password(password: str, email: str) -> None:
    """Check that a new password is hard enough to guess. Any characters may stand in it; none must.

    Raises:
        InputError: too short, too long, one character repeated, or made of the e-mail address.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InputError(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters: take a sentence, or let a password "
            f"manager make one.",
            code="weak_password",
        )
    if len(set(password)) < 5 or password.lower() == email:
        raise InputError(
            "This password is easy to guess: take a sentence, or let a password manager make one.", code="weak_password"
        )
