"""Sessions and tries to sign in, as the database keeps them for all processes."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from broker.operations import NewSession, SignIn, SignInRefused, TooManyTries, User
from broker.operations.people import NewUser
from domain.access import Grant, Role
from domain.errors import InputError, UnknownName
from domain.sign_in import FORGOTTEN, IDLE, LONGEST, PER_ADDRESS, PER_NAME
from storage.people_tables import audit, sessions, sign_in_tries
from tests.storage.conftest import Opened
from tests.storage.support import Site

EMAIL = "first@example.com"
PASSWORD = "a sentence that is long"
HOME = "192.0.2.1"


async def somebody(site: Site, email: str = EMAIL) -> User:
    (organization,) = await site.desk.organizations()
    viewer = Grant(Role.VIEWER, organization)
    await site.people.create_user(NewUser(organization, email, "First", (viewer,)))
    return await site.people.user(email)


async def begun(site: Site, user: User) -> NewSession:
    made = await site.people.sessions.begin(user, user.email, HOME)
    assert made is not None
    return made


def told(site: Site) -> list[tuple[str, str, str | None]]:
    rows = [row for row in site.rows(audit) if row.action.startswith("session.")]
    return [(row.actor, row.action, row.organization_id) for row in rows]


async def test_a_session_is_known_to_all_processes_and_its_token_to_none(site: Site, open_site: Opened) -> None:
    user = await somebody(site)
    made = await begun(site, user)
    assert made.session.user == user
    assert await open_site().people.sessions.find(made.token) == made.session
    assert await site.people.sessions.find(made.token + "x") is None
    assert made.token not in repr(made)
    assert made.token not in repr(site.rows(sessions)) + repr(site.rows(audit))
    assert made.session.expires_at - made.session.created_at == LONGEST


async def test_a_session_that_is_not_used_is_over(site: Site) -> None:
    made = await begun(site, await somebody(site))
    site.clock.advance(IDLE.total_seconds() - 1)
    assert await site.people.sessions.find(made.token)
    site.clock.advance(IDLE.total_seconds() - 1)
    assert await site.people.sessions.find(made.token)
    site.clock.advance(IDLE.total_seconds())
    assert await site.people.sessions.find(made.token) is None


async def test_a_session_is_over_after_a_day_however_much_it_is_used(site: Site) -> None:
    made = await begun(site, await somebody(site))
    for _ in range(int(LONGEST / timedelta(minutes=50))):
        site.clock.advance(3000)
        assert await site.people.sessions.find(made.token)
    site.clock.advance(3000)
    assert await site.people.sessions.find(made.token) is None
    await begun(site, await site.people.user(EMAIL))
    assert len(site.rows(sessions)) == 1


@pytest.mark.parametrize("everywhere", [False, True])
async def test_one_signs_out_here_or_everywhere(site: Site, everywhere: bool) -> None:
    user = await somebody(site)
    here, there, other = (
        await begun(site, user),
        await begun(site, user),
        await begun(site, await somebody(site, "b@c")),
    )
    await site.people.sessions.end(here.token, everywhere=everywhere)
    left = [await site.people.sessions.find(each.token) is not None for each in (here, there, other)]
    assert left == [False, not everywhere, True]
    await site.people.sessions.end(here.token, everywhere=True)
    assert told(site)[-1] == (f"user:{user.id}", "session.ended", user.organization_id)


async def test_a_new_password_and_a_disabled_user_end_all_sessions(site: Site) -> None:
    user, other = await somebody(site), await somebody(site, "b@c")
    kept = await begun(site, other)
    made = await begun(site, user)
    await site.people.set_password(user.id, PASSWORD)
    assert await site.people.sessions.find(made.token) is None
    made = await begun(site, user)
    await site.people.set_enabled(user.id, False)
    assert await site.people.sessions.find(made.token) is None
    assert await site.people.sessions.begin(user, EMAIL, HOME) is None
    await site.people.set_enabled(user.id, True)
    assert await site.people.sessions.find(made.token) is None
    assert await site.people.sessions.find(kept.token)


async def test_open_sessions_are_listed_the_last_used_first_and_without_what_lets_anybody_in(site: Site) -> None:
    user, other = await somebody(site), await somebody(site, "b@c")
    await begun(site, other)
    over, first = await begun(site, user), await begun(site, user)
    site.clock.advance(IDLE.total_seconds() - 60)
    assert await site.people.sessions.find(first.token)
    site.clock.advance(60)
    second = await begun(site, user)
    found = await site.people.sessions.of_user(user.id)
    assert [each.id for each in found] == [second.session.id, first.session.id]
    assert found[1].last_used_at - found[1].created_at == IDLE - timedelta(minutes=1)
    assert found[0].expires_at == second.session.expires_at
    digests = [row.digest for row in site.rows(sessions)]
    assert not [each for each in (over.token, first.token, *digests) if each in repr(found)]


async def test_all_sessions_but_one_are_ended_and_told_with_their_number(site: Site) -> None:
    user, other = await somebody(site), await somebody(site, "b@c")
    here, there, elsewhere, foreign = [await begun(site, each) for each in (user, user, user, other)]
    assert await site.people.sessions.close(user.id, but=here.session.id, actor="tester") == 2
    left = [await site.people.sessions.find(each.token) is not None for each in (here, there, elsewhere, foreign)]
    assert left == [True, False, False, True]
    row = site.rows(audit)[-1]
    assert (row.actor, row.action, row.object) == ("tester", "session.ended", f"user:{user.id}")
    assert row.detail == {"everywhere": False, "count": 2}
    before = len(site.rows(audit))
    assert await site.people.sessions.close(user.id, but=here.session.id, actor="tester") == 0
    assert len(site.rows(audit)) == before, "nothing was ended, so there is nothing to tell"


async def test_a_session_of_somebody_else_or_one_that_is_over_is_not_ended(site: Site) -> None:
    user, other = await somebody(site), await somebody(site, "b@c")
    mine, foreign = await begun(site, user), await begun(site, other)
    for wanted in (foreign.session.id, "nothing"):
        with pytest.raises(UnknownName, match="no such open session"):
            await site.people.sessions.close(user.id, only=wanted, actor="tester")
    site.clock.advance(IDLE.total_seconds())
    with pytest.raises(UnknownName, match="no such open session"):
        await site.people.sessions.close(user.id, only=mine.session.id, actor="tester")
    assert len(site.rows(sessions)) == 2


async def test_a_session_has_the_roles_of_the_moment(site: Site) -> None:
    user = await somebody(site)
    made = await begun(site, user)
    await site.people.revoke(user.id, user.grants[0])
    found = await site.people.sessions.find(made.token)
    assert found is not None
    assert found.actor.grants == ()
    assert [each.code for each in await site.people.sessions.accounts(made.session)] == ["acme", "globex"]
    assert await site.people.sessions.accounts(found) == []


async def test_unknown_users_wrong_passwords_and_disabled_users_are_refused_alike_and_told(site: Site) -> None:
    user, signing = await somebody(site), SignIn(site.people)
    await site.people.set_password(user.id, PASSWORD)
    said = set()
    for email, password in ((EMAIL, "wrong"), ("nobody@example.com", PASSWORD), ("no address", PASSWORD)):
        with pytest.raises(SignInRefused) as refused:
            await signing.sign_in(email, password, HOME)
        said.add((refused.value.sentence, refused.value.code))
    await site.people.set_enabled(user.id, False)
    with pytest.raises(SignInRefused) as refused:
        await signing.sign_in(EMAIL, PASSWORD, HOME)
    assert said == {(refused.value.sentence, refused.value.code)}
    organization = user.organization_id
    refusals = [("anonymous", "session.refused", each) for each in (organization, None, None, organization)]
    assert told(site) == refusals
    assert EMAIL not in repr(site.rows(audit))
    await site.people.set_enabled(user.id, True)
    made = await signing.sign_in(f" {EMAIL.upper()} ", PASSWORD, HOME)
    assert told(site)[-1] == (f"user:{user.id}", "session.begun", organization)
    assert (await site.people.verify()).intact
    with pytest.raises(InputError):
        await signing.change_password(made.session, PASSWORD, PASSWORD, HOME)
    changed = await signing.change_password(made.session, PASSWORD, "another sentence that is long", HOME)
    assert await signing.session(made.token) is None
    assert await signing.session(changed.token)


async def tries(site: Site, count: int, email: str = EMAIL, address: str = HOME) -> list[int]:
    return [await site.people.sessions.attempt(email, address) for _ in range(count)]


async def test_after_some_failures_the_next_try_waits_each_time_longer(site: Site) -> None:
    assert await tries(site, PER_NAME.free) == [0] * PER_NAME.free
    waits = []
    for _ in range(4):
        (wait,) = await tries(site, 1, f" {EMAIL.upper()}", "198.51.100.9")
        waits.append(wait)
        site.clock.advance(wait)
        assert await tries(site, 1) == [0]
    assert waits == [1, 2, 4, 8]
    assert await tries(site, 1, "second@example.com") == [0]


async def test_tries_at_many_names_from_one_address_wait_too_and_no_name_is_kept(site: Site) -> None:
    for number in range(PER_ADDRESS.free):
        assert await tries(site, 1, f"u{number}@example.com") == [0]
    assert await tries(site, 1, "next@example.com") == [1]
    assert await tries(site, 1, "next@example.com", "198.51.100.9") == [0]
    assert "@" not in repr(site.rows(sign_in_tries))
    assert HOME not in repr(site.rows(sign_in_tries))


async def test_tries_at_once_in_several_processes_are_all_counted(site: Site, open_site: Opened) -> None:
    sites = [site, open_site()]
    found = await asyncio.gather(*(tries(sites[n % 2], 1) for n in range(3 * PER_NAME.free)))
    assert sum(each == [0] for each in found) == PER_NAME.free


async def test_success_forgives_the_name_but_not_the_address_its_other_failures(site: Site) -> None:
    user = await somebody(site)
    for number in range(PER_ADDRESS.free - 1):
        await tries(site, 1, f"u{number}@example.com")
    await tries(site, 1)
    await begun(site, user)
    assert await tries(site, 2) == [0, 1]
    site.clock.advance(1)
    assert await tries(site, PER_NAME.free - 1, address="198.51.100.9") == [0] * (PER_NAME.free - 1)


async def test_failures_are_forgotten_after_a_day(site: Site) -> None:
    await tries(site, PER_NAME.free + 1)
    site.clock.advance(FORGOTTEN.total_seconds() + 1)
    assert await tries(site, PER_NAME.free) == [0] * PER_NAME.free
    assert {row.failures for row in site.rows(sign_in_tries)} == {PER_NAME.free}


async def test_too_many_tries_are_told_with_the_seconds_and_nothing_is_tried(site: Site) -> None:
    await tries(site, PER_NAME.free)
    with pytest.raises(TooManyTries) as caught:
        await SignIn(site.people).sign_in(EMAIL, PASSWORD, HOME)
    assert caught.value.seconds == 1
    assert told(site) == []
