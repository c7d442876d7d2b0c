"""Passwords: stored as hashes alone, and telling strangers nothing, not even by the time an answer takes."""

from __future__ import annotations

from typing import Any

import pytest

from broker.operations.people import NewUser
from domain.errors import InputError
from storage.people import passwords
from storage.people_tables import audit, users
from tests.storage.support import Site

EMAIL = "first@example.com"
PASSWORD = "a sentence that is long"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost little."""
    from argon2 import PasswordHasher

    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: cheap)


async def user_of(site: Site) -> str:
    (organization,) = await site.desk.organizations()
    return await site.people.create_user(NewUser(organization, EMAIL, "First"))


async def test_who_has_a_password_signs_in_with_it_and_nothing_else(site: Site) -> None:
    user = await user_of(site)
    assert await site.people.verify_password(EMAIL, PASSWORD) is None
    await site.people.set_password(user, PASSWORD, actor="tester")
    found = await site.people.verify_password(" FIRST@example.com", PASSWORD)
    assert found == await site.people.user(EMAIL)
    assert found is not None
    assert found.has_password
    for wrong in ("", PASSWORD[:-1], PASSWORD + "x", PASSWORD.upper(), "x" * 100_000, "\ud800"):
        assert await site.people.verify_password(EMAIL, wrong) is None


async def test_a_disabled_user_does_not_sign_in(site: Site) -> None:
    user = await user_of(site)
    await site.people.set_password(user, PASSWORD)
    await site.people.set_enabled(user, False)
    assert await site.people.verify_password(EMAIL, PASSWORD) is None
    await site.people.set_enabled(user, True)
    assert await site.people.verify_password(EMAIL, PASSWORD) is not None


async def test_a_password_is_stored_as_a_hash_alone_and_told_as_set(site: Site) -> None:
    user = await user_of(site)
    await site.people.set_password(user, PASSWORD, actor="tester")
    (row,) = site.rows(users)
    assert row.password_hash.startswith("$argon2id$")
    assert PASSWORD not in repr(site.rows(users))
    assert PASSWORD not in repr(site.rows(audit))
    assert row.password_hash not in repr(site.rows(audit))
    last = site.rows(audit)[-1]
    assert (last.actor, last.action, last.object, last.detail) == ("tester", "user.password_set", f"user:{user}", {})


async def test_a_weak_password_changes_nothing(site: Site) -> None:
    user = await user_of(site)
    with pytest.raises(InputError) as caught:
        await site.people.set_password(user, "short")
    assert caught.value.code == "weak_password"
    assert site.rows(users)[0].password_hash is None


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com", "no address"])
async def test_an_unknown_address_costs_as_many_hashes_as_a_known_one(
    site: Site, monkeypatch: pytest.MonkeyPatch, email: str
) -> None:
    await site.people.set_password(await user_of(site), PASSWORD)
    hasher, checked = passwords._hasher(), []

    class Counting:
        def verify(self, stored: str, given: bytes) -> Any:
            checked.append(stored)
            return hasher.verify(stored, given)

        def hash(self, given: bytes) -> str:
            return hasher.hash(given)

    monkeypatch.setattr(passwords, "_hasher", Counting)
    assert await site.people.verify_password(email, "a wrong sentence, as long") is None
    assert len(checked) == 1


async def test_the_same_characters_composed_otherwise_are_the_same_password(site: Site) -> None:
    user = await user_of(site)
    await site.people.set_password(user, "ein schöner langer Satz")
    assert await site.people.verify_password(EMAIL, "ein scho\u0308ner langer Satz") is not None


async def test_a_hash_of_older_parameters_is_renewed_when_its_owner_signs_in(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argon2 import PasswordHasher

    await site.people.set_password(await user_of(site), PASSWORD)
    before, told = site.rows(users)[0].password_hash, len(site.rows(audit))
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: stronger)
    assert await site.people.verify_password(EMAIL, PASSWORD) is not None
    after = site.rows(users)[0].password_hash
    assert after != before
    assert not passwords.outdated(after)
    assert await site.people.verify_password(EMAIL, PASSWORD) is not None
    assert len(site.rows(audit)) == told


def test_hashes_are_argon2id_with_the_defaults_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import DEFAULT_MEMORY_COST, DEFAULT_TIME_COST

    monkeypatch.undo()
    made = passwords.hashed(PASSWORD)
    assert made.startswith(f"$argon2id$v=19$m={DEFAULT_MEMORY_COST},t={DEFAULT_TIME_COST},")
    assert passwords.matches(PASSWORD, made)
    assert not passwords.matches("another sentence", made)
    assert not passwords.matches(PASSWORD, None)
    assert not passwords.matches(PASSWORD, "no hash at all")
