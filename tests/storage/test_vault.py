"""The vault: secrets open at their place with a key of the ring, and nowhere else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigurationError
from storage.vault import Vault

OLD, NEW = b"o" * 32, b"n" * 32


TEXTS = st.text(st.characters(codec="utf-8"))


@given(secret=TEXTS, place=TEXTS)
def test_what_was_sealed_opens_at_its_place(secret: str, place: str) -> None:
    vault = Vault([NEW])
    assert vault.open(vault.seal(secret, place), place) == secret


def test_the_sealed_text_does_not_show_the_secret_and_is_never_twice_the_same() -> None:
    vault = Vault([NEW])
    first, second = vault.seal("shop-token", "a"), vault.seal("shop-token", "a")
    assert first != second
    assert "shop-token" not in first
    assert b"shop-token" not in base64.urlsafe_b64decode(first.split(".")[2])


def test_a_secret_moved_to_another_place_does_not_open() -> None:
    vault = Vault([NEW])
    with pytest.raises(ConfigurationError, match=r"changed or moved\. Enter it again"):
        vault.open(vault.seal("s", "channel-token/1/a.example.com"), "channel-token/1/b.example.com")


@pytest.mark.parametrize("change", ["flip", "cut", "nonsense", "v2", "not base64"])
def test_a_secret_that_was_changed_does_not_open(change: str) -> None:
    vault = Vault([NEW])
    version, key, body = vault.seal("secret", "place").split(".")
    raw = base64.urlsafe_b64decode(body)
    changed = {
        "flip": f"{version}.{key}.{base64.urlsafe_b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()}",
        "cut": f"{version}.{key}.{base64.urlsafe_b64encode(raw[:5]).decode()}",
        "nonsense": "nonsense",
        "v2": f"v2.{key}.{body}",
        "not base64": f"{version}.{key}.a",
    }[change]
    with pytest.raises(ConfigurationError, match="changed or moved"):
        vault.open(changed, "place")


def test_a_secret_whose_key_is_lost_says_to_put_it_back() -> None:
    sealed = Vault([OLD]).seal("secret", "place")
    with pytest.raises(ConfigurationError, match="Put the old key back into the ring"):
        Vault([NEW]).open(sealed, "place")


def test_the_first_key_seals_and_all_keys_open() -> None:
    ring = Vault([NEW, OLD])
    assert ring.open(Vault([OLD]).seal("old", "p"), "p") == "old"
    assert Vault([NEW]).open(ring.seal("fresh", "p"), "p") == "fresh"


@pytest.mark.parametrize("keys", [[], [b"short"], [NEW, b"x" * 31]])
def test_a_ring_without_keys_of_32_bytes_is_refused(keys: list[bytes]) -> None:
    with pytest.raises(ConfigurationError, match="TOWPATH_SECRET_KEYS"):
        Vault(keys)
