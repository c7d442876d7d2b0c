"""Who may do what: every role, action and place against sets written down from the specification."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access import (
    KEY_MAY,
    MAY,
    Action,
    Actor,
    Decision,
    Grant,
    KeyScope,
    NotAllowed,
    Place,
    Role,
    can,
    ensure,
    judge,
    may_grant,
)
from domain.errors import InputError, TowpathError, UnknownName

ORGANIZATION = Place("org")
ACCOUNT = Place("org", "acme")
SIBLING = Place("org", "zenith")
FOREIGN_ORGANIZATION = Place("other")
FOREIGN_ACCOUNT = Place("other", "globex")
PLACES = (ACCOUNT, SIBLING, ORGANIZATION, FOREIGN_ORGANIZATION, FOREIGN_ACCOUNT)
ACCOUNTS = (ACCOUNT, SIBLING, FOREIGN_ACCOUNT)

READING = {"read", "export_data", "read_audit", "read_personal_data"}
VIEWER = {"read", "export_data"}
USER = {"read", "export_data", "read_personal_data", "start_sync", "replay", "discard", "edit_mappings"}
SUPERVISOR = {
    *("read", "export_data", "read_personal_data", "start_sync", "replay", "discard", "edit_mappings"),
    *("edit_channel", "edit_jobs", "manual_logging"),
}
ACCOUNT_ADMINISTRATOR = {
    *("read", "export_data", "read_personal_data", "start_sync", "replay", "discard", "edit_mappings"),
    *("edit_channel", "edit_jobs", "manual_logging", "create_channel", "delete_channel", "edit_shop_domain"),
    *("edit_token", "edit_account", "edit_warehouses", "edit_users", "edit_keys", "read_audit", "publish_events"),
}
ADMINISTRATOR = {
    *("read", "export_data", "read_personal_data", "start_sync", "replay", "discard", "edit_mappings"),
    *("edit_channel", "edit_jobs", "manual_logging", "create_channel", "delete_channel", "edit_shop_domain"),
    *("edit_token", "edit_account", "edit_warehouses", "edit_users", "edit_keys", "read_audit", "publish_events"),
    *("create_account", "switch_account"),
}
OWNER = {*ADMINISTRATOR, "edit_owners"}

EXPECTED: list[tuple[Grant, set[str], set[Place]]] = [
    (Grant(Role.ORGANIZATION_OWNER, "org"), OWNER, {ACCOUNT, SIBLING, ORGANIZATION}),
    (Grant(Role.ORGANIZATION_ADMINISTRATOR, "org"), ADMINISTRATOR, {ACCOUNT, SIBLING, ORGANIZATION}),
    (Grant(Role.ORGANIZATION_SUPERVISOR, "org"), SUPERVISOR, {ACCOUNT, SIBLING, ORGANIZATION}),
    (Grant(Role.ACCOUNT_ADMINISTRATOR, "org", "acme"), ACCOUNT_ADMINISTRATOR, {ACCOUNT}),
    (Grant(Role.ACCOUNT_USER, "org", "acme"), USER, {ACCOUNT}),
    (Grant(Role.VIEWER, "org", "acme"), VIEWER, {ACCOUNT}),
    (Grant(Role.VIEWER, "org"), VIEWER, {ACCOUNT, SIBLING, ORGANIZATION}),
]
KEYS: list[tuple[str, set[str]]] = [
    ("events:write", {"publish_events"}),
    ("read", {"read", "export_data", "read_personal_data"}),
    ("operate", {"read", "export_data", "read_personal_data", "start_sync", "replay", "discard", "edit_mappings"}),
    ("admin", ACCOUNT_ADMINISTRATOR - {"edit_users", "edit_keys"}),
]

grants = st.one_of(
    st.builds(Grant, st.sampled_from(list(Role)[:3]), st.sampled_from(["org", "other"])),
    st.builds(Grant, st.just(Role.VIEWER), st.sampled_from(["org", "other"])),
    st.builds(
        lambda role, place: Grant(role, place.organization_id, place.account_id),
        st.sampled_from(list(Role)[3:]),
        st.sampled_from(ACCOUNTS),
    ),
)
holdings = st.lists(grants, max_size=4)
keys = st.sets(st.sampled_from(list(KeyScope)), min_size=1)
actions, places = st.sampled_from(Action), st.sampled_from(PLACES)


def person(*held: Grant) -> Actor:
    return Actor.person("u-1", held)


def key(*scopes: str) -> Actor:
    return Actor.key("k-1", "org", "acme", scopes)


def named(grant: Grant) -> str:
    return f"{grant.role} of {grant.account_id or grant.organization_id}"


def decided(action: Action, place: Place, may: set[str], seen: set[Place]) -> Decision:
    if place not in seen:
        return Decision.HIDDEN
    return Decision.ALLOWED if action in may else Decision.DENIED


@pytest.mark.parametrize(("grant", "may", "seen"), EXPECTED, ids=[named(row[0]) for row in EXPECTED])
def test_every_role_may_what_the_specification_says_where_it_says_and_nothing_else(
    grant: Grant, may: set[str], seen: set[Place]
) -> None:
    for action, place in product(Action, PLACES):
        found = judge(person(grant), action, place)
        assert found is decided(action, place, may, seen), (action, place)
        assert can(person(grant), action, place) is (found is Decision.ALLOWED)


@pytest.mark.parametrize(("grant", "may", "seen"), EXPECTED, ids=[named(row[0]) for row in EXPECTED])
def test_a_disabled_account_is_read_and_switched_by_its_organization_and_closed_to_all_others(
    grant: Grant, may: set[str], seen: set[Place]
) -> None:
    left = may & (READING | {"switch_account"}) if grant.account_id is None else set[str]()
    for action, place in product(Action, ACCOUNTS):
        found = judge(person(grant), action, place, account_enabled=False)
        assert found is decided(action, place, left, seen), (action, place)


@pytest.mark.parametrize(("scope", "may"), KEYS, ids=[row[0] for row in KEYS])
def test_an_api_key_may_what_its_scope_says_in_its_account_and_nothing_while_that_is_disabled(
    scope: str, may: set[str]
) -> None:
    for action, place in product(Action, PLACES):
        assert judge(key(scope), action, place) is decided(action, place, may, {ACCOUNT})
        assert judge(key(scope), action, place, account_enabled=place.account_id is None) is decided(
            action, place, set(), {ACCOUNT}
        )


def test_the_expectations_cover_every_role_and_scope_and_each_action_is_somebodys() -> None:
    assert {row[0].role for row in EXPECTED} == set(Role) == set(MAY)
    assert {row[0] for row in KEYS} == set(KeyScope) == set(KEY_MAY)
    assert set(Action) == OWNER


def test_every_action_is_explained_with_the_section_it_comes_from() -> None:
    lines = re.findall(r"^ {4}([a-z_]+)  +\S.* \(([1-9](?:, [1-9])*)\)$", Action.__doc__ or "", re.MULTILINE)
    assert [name for name, _ in lines] == list(Action)


@given(action=actions, place=places, enabled=st.booleans())
def test_the_operator_of_the_installation_may_everything(action: Action, place: Place, enabled: bool) -> None:
    assert can(Actor.installation(), action, place, account_enabled=enabled)


@given(action=actions, place=places, enabled=st.booleans())
def test_without_a_grant_everything_is_hidden(action: Action, place: Place, enabled: bool) -> None:
    assert judge(person(), action, place, account_enabled=enabled) is Decision.HIDDEN


@given(held=holdings, more=grants, action=actions, place=places, enabled=st.booleans())
def test_one_more_grant_never_takes_anything_away(
    held: list[Grant], more: Grant, action: Action, place: Place, enabled: bool
) -> None:
    order = [Decision.HIDDEN, Decision.DENIED, Decision.ALLOWED]
    before = judge(person(*held), action, place, account_enabled=enabled)
    after = judge(person(*held, more), action, place, account_enabled=enabled)
    assert order.index(after) == max(
        order.index(before), order.index(judge(person(more), action, place, account_enabled=enabled))
    )


@given(held=holdings, scopes=keys, action=actions, place=places)
def test_a_disabled_account_gives_nobody_more_and_enabling_gives_back_all(
    held: list[Grant], scopes: set[KeyScope], action: Action, place: Place
) -> None:
    for actor in (person(*held), key(*scopes)):
        if can(actor, action, place, account_enabled=False):
            assert can(actor, action, place, account_enabled=True)
        hidden = {judge(actor, action, place, account_enabled=state) is Decision.HIDDEN for state in (True, False)}
        assert len(hidden) == 1


@given(place=places, action=actions, enabled=st.booleans())
def test_a_viewer_changes_nothing_and_sees_no_personal_data(place: Place, action: Action, enabled: bool) -> None:
    for viewer in (person(Grant(Role.VIEWER, "org")), person(Grant(Role.VIEWER, "org", "acme"))):
        if can(viewer, action, place, account_enabled=enabled):
            assert action in {Action.READ, Action.EXPORT_DATA}


@given(held=holdings, given_=grants, action=actions, place=places)
def test_nobody_grants_more_than_they_have_themselves(
    held: list[Grant], given_: Grant, action: Action, place: Place
) -> None:
    if may_grant(person(*held), given_) and can(person(given_), action, place):
        assert can(person(*held), action, place)


@given(held=holdings, given_=grants, next_=grants)
def test_nobody_reaches_by_a_second_person_what_they_may_not_grant(
    held: list[Grant], given_: Grant, next_: Grant
) -> None:
    if may_grant(person(*held), given_) and may_grant(person(given_), next_):
        assert may_grant(person(*held), next_)


GIVABLE: dict[Role, set[Role]] = {
    Role.ORGANIZATION_OWNER: set(Role),
    Role.ORGANIZATION_ADMINISTRATOR: set(Role) - {Role.ORGANIZATION_OWNER},
    Role.ORGANIZATION_SUPERVISOR: set(),
    Role.ACCOUNT_ADMINISTRATOR: {Role.ACCOUNT_ADMINISTRATOR, Role.ACCOUNT_USER, Role.VIEWER},
    Role.ACCOUNT_USER: set(),
    Role.VIEWER: set(),
}


@pytest.mark.parametrize(("grant", "seen"), [(row[0], row[2]) for row in EXPECTED], ids=[named(r[0]) for r in EXPECTED])
def test_a_role_is_given_by_those_who_edit_users_there_and_owners_only_by_owners(
    grant: Grant, seen: set[Place]
) -> None:
    for row, place in product(EXPECTED, PLACES):
        given_ = row[0]
        if (given_.account_id is None) is not (place.account_id is None):
            continue
        given_ = Grant(given_.role, place.organization_id, place.account_id)
        assert may_grant(person(grant), given_) is (given_.role in GIVABLE[grant.role] and place in seen), given_


@given(held=holdings, given_=grants)
def test_in_a_disabled_account_nobody_is_given_a_role(held: list[Grant], given_: Grant) -> None:
    if given_.account_id is not None:
        assert not may_grant(person(*held), given_, account_enabled=False)


@given(scopes=keys, given_=grants)
def test_an_api_key_gives_no_role_and_the_installation_gives_any(scopes: set[KeyScope], given_: Grant) -> None:
    assert not may_grant(key(*scopes), given_)
    assert may_grant(Actor.installation(), given_)


@pytest.mark.parametrize("role", list(Role)[:3])
def test_a_role_in_an_organization_names_no_account(role: Role) -> None:
    assert Grant(role, "org").place == ORGANIZATION
    with pytest.raises(InputError, match=f"{role.title} is a role in a whole organization: name no account") as caught:
        Grant(role, "org", "acme")
    assert caught.value.code == "impossible_grant"


@pytest.mark.parametrize("role", [Role.ACCOUNT_ADMINISTRATOR, Role.ACCOUNT_USER])
def test_a_role_in_an_account_names_it(role: Role) -> None:
    assert Grant(role, "org", "acme").place == ACCOUNT
    with pytest.raises(InputError, match=f"{role.title} is a role in one account: name the account") as caught:
        Grant(role, "org")
    assert caught.value.code == "impossible_grant"


@pytest.mark.parametrize(("organization", "account"), [("", None), ("", "acme"), ("org", "")])
def test_a_role_is_in_a_place_that_has_a_name(organization: str, account: str | None) -> None:
    with pytest.raises(InputError, match="may not be empty"):
        Grant(Role.VIEWER, organization, account)


@pytest.mark.parametrize(("scopes", "words"), [((), "none given"), (("read", "root", "all"), r"\(all, root\)")])
def test_an_api_key_without_scopes_or_with_unknown_ones_is_refused(scopes: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=rf"{words}.*scopes: events:write, read, operate, admin") as caught:
        key(*scopes)
    assert caught.value.code == "unknown_scope"


def test_only_a_person_has_grants() -> None:
    viewer = Grant(Role.VIEWER, "org")
    assert [actor.grants for actor in (person(viewer), key("admin"), Actor.installation())] == [(viewer,), (), ()]


def test_a_role_has_a_title_for_people() -> None:
    assert [role.title for role in Role][3:] == ["Account administrator", "Account user", "Viewer"]


@given(held=holdings, scopes=keys, action=actions, place=places, enabled=st.booleans())
def test_ensuring_raises_exactly_where_the_decision_is_not_allowed(
    held: list[Grant], scopes: set[KeyScope], action: Action, place: Place, enabled: bool
) -> None:
    for actor in (person(*held), key(*scopes)):
        raised: type[TowpathError] | None = None
        try:
            ensure(actor, action, place, account_enabled=enabled)
        except (NotAllowed, UnknownName) as error:
            raised = type(error)
        decision = judge(actor, action, place, account_enabled=enabled)
        assert {Decision.DENIED: NotAllowed, Decision.HIDDEN: UnknownName}.get(decision) is raised


SUPERVISES = person(Grant(Role.ORGANIZATION_SUPERVISOR, "org"))
USES = person(Grant(Role.ACCOUNT_USER, "org", "acme"))


@pytest.mark.parametrize(
    ("actor", "action", "place", "code", "sentence"),
    [
        (
            SUPERVISES,
            Action.EDIT_SHOP_DOMAIN,
            ACCOUNT,
            "not_allowed",
            "Not allowed here: edit shop domain. It takes the role organization owner, organization administrator "
            "or account administrator.",
        ),
        (
            SUPERVISES,
            Action.EDIT_WAREHOUSES,
            ORGANIZATION,
            "not_allowed",
            "Not allowed here: edit warehouses. It takes the role organization owner or organization administrator.",
        ),
        (
            person(Grant(Role.ORGANIZATION_ADMINISTRATOR, "org")),
            Action.EDIT_OWNERS,
            ORGANIZATION,
            "not_allowed",
            "Not allowed here: edit owners. It takes the role organization owner.",
        ),
        (
            key("read"),
            Action.REPLAY,
            ACCOUNT,
            "missing_scope",
            "Not allowed with this API key: replay. It takes the scope operate or admin.",
        ),
        (
            key("admin"),
            Action.EDIT_KEYS,
            ACCOUNT,
            "not_allowed",
            "Not allowed here: edit keys. It takes the role organization owner, organization administrator or "
            "account administrator.",
        ),
    ],
    ids=lambda value: value if isinstance(value, Action) else "",
)
def test_who_is_denied_reads_who_could_do_it(
    actor: Actor, action: Action, place: Place, code: str, sentence: str
) -> None:
    with pytest.raises(NotAllowed) as caught:
        ensure(actor, action, place)
    assert (caught.value.code, caught.value.sentence) == (code, sentence)


@pytest.mark.parametrize("action", [Action.READ, Action.EDIT_MAPPINGS, Action.EDIT_USERS])
@pytest.mark.parametrize("actor", [USES, key("read"), key("events:write")], ids=["user", "reading key", "writing key"])
def test_whoever_is_locked_out_reads_that_the_account_is_disabled_and_who_enables_it(
    actor: Actor, action: Action
) -> None:
    with pytest.raises(NotAllowed, match="account is disabled") as caught:
        ensure(actor, action, ACCOUNT, account_enabled=False)
    assert caught.value.code == "account_disabled"
    assert caught.value.sentence.endswith("the role organization owner or organization administrator.")


@pytest.mark.parametrize(
    ("action", "code"), [(Action.EDIT_CHANNEL, "account_disabled"), (Action.SWITCH_ACCOUNT, "not_allowed")]
)
def test_a_user_of_the_organization_reads_what_is_in_the_way_the_account_or_the_role(action: Action, code: str) -> None:
    ensure(SUPERVISES, Action.READ, ACCOUNT, account_enabled=False)
    with pytest.raises(NotAllowed) as caught:
        ensure(SUPERVISES, action, ACCOUNT, account_enabled=False)
    assert caught.value.code == code


@pytest.mark.parametrize("enabled", [True, False])
def test_a_hidden_object_looks_like_none_at_all(enabled: bool) -> None:
    absent = UnknownName("There is no account 'globex'.", code="unknown_account")
    with pytest.raises(UnknownName) as caught:
        ensure(USES, Action.READ, FOREIGN_ACCOUNT, account_enabled=enabled, absent=absent)
    assert caught.value is absent
    with pytest.raises(UnknownName) as caught:
        ensure(USES, Action.READ, FOREIGN_ACCOUNT, account_enabled=enabled)
    assert not {"other", "globex", "disabled"} & set(re.findall(r"\w+", caught.value.sentence))


def test_the_state_of_an_account_says_nothing_of_its_organization() -> None:
    assert can(SUPERVISES, Action.EDIT_JOBS, ORGANIZATION, account_enabled=False)
