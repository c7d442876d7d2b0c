"""Who may do what: the rules of tenancy and roles (sales channels, section 1), as one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InputError, TowpathError, UnknownName


class Role(StrEnum):
    """What a person is in an organization or in one of its accounts."""

    ORGANIZATION_OWNER = "organization_owner"
    ORGANIZATION_ADMINISTRATOR = "organization_administrator"
    ORGANIZATION_SUPERVISOR = "organization_supervisor"
    ACCOUNT_ADMINISTRATOR = "account_administrator"
    ACCOUNT_USER = "account_user"
    VIEWER = "viewer"

    @property
    def title(self) -> str:  # type: ignore[override]
        """The role as a person reads it; stands in for the method of ``str``, which no page may show instead."""
        return self.value.replace("_", " ").capitalize()


ORGANIZATION_ROLES = frozenset({Role.ORGANIZATION_OWNER, Role.ORGANIZATION_ADMINISTRATOR, Role.ORGANIZATION_SUPERVISOR})
"""Always of a whole organization."""
ACCOUNT_ROLES = frozenset({Role.ACCOUNT_ADMINISTRATOR, Role.ACCOUNT_USER})
"""Always of one account. A viewer is of either."""


class KeyScope(StrEnum):
    """What an API key was made for (sales channels, section 1)."""

    EVENTS_WRITE = "events:write"
    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"


class Action(StrEnum):
    """What can be done to an object of a place; the section of the specification that speaks of it in brackets.

    read                all there is to see, personal data masked, save what has a line of its own (1, 2, 6)
    export_data         the same as a file, with no more than its reader sees (4, 6)
    read_personal_data  names, addresses, e-mails and phone numbers, not masked (1, 7)
    start_sync          a manual sync (1, 2, 3)
    replay              open deliveries again (1)
    discard             close deliveries for good (1)
    edit_mappings       also by CSV import, and answering a missing mapping with "ignore" (1, 4)
    edit_channel        name and settings, enable, disable; not Shop Domain, not the token (1, 2)
    edit_jobs           periods and job settings, of a channel and as defaults of an account (1, 3)
    manual_logging      keep requests and responses of a job for a limited time (2, 6)
    create_channel      takes Shop Domain and token, so it goes with them; with *Test connection* (2)
    delete_channel      stops its jobs; history stays readable (2)
    edit_shop_domain    *Shop Domain* (1, 2)
    edit_token          *Access Token*: write, never read; with *Test connection* (1, 2)
    edit_account        account settings, *Master Product Source* and retention included (1, 3, 6)
    edit_warehouses     in an organization: its warehouses; in an account: which are enabled for it (1)
    edit_users          users and their roles, as far as may_grant allows (1)
    edit_keys           make and revoke API keys (1)
    read_audit          who changed what (1, 4)
    publish_events      by HTTP or by hand (1)
    create_account      in an organization (1)
    switch_account      disable, at once or at a set time, and enable (1)
    edit_owners         make and unmake organization owners (1)
    """

    READ = "read"
    EXPORT_DATA = "export_data"
    READ_PERSONAL_DATA = "read_personal_data"
    START_SYNC = "start_sync"
    REPLAY = "replay"
    DISCARD = "discard"
    EDIT_MAPPINGS = "edit_mappings"
    EDIT_CHANNEL = "edit_channel"
    EDIT_JOBS = "edit_jobs"
    MANUAL_LOGGING = "manual_logging"
    CREATE_CHANNEL = "create_channel"
    DELETE_CHANNEL = "delete_channel"
    EDIT_SHOP_DOMAIN = "edit_shop_domain"
    EDIT_TOKEN = "edit_token"  # noqa: S105
    EDIT_ACCOUNT = "edit_account"
    EDIT_WAREHOUSES = "edit_warehouses"
    EDIT_USERS = "edit_users"
    EDIT_KEYS = "edit_keys"
    READ_AUDIT = "read_audit"
    PUBLISH_EVENTS = "publish_events"
    CREATE_ACCOUNT = "create_account"
    SWITCH_ACCOUNT = "switch_account"
    EDIT_OWNERS = "edit_owners"


_LOOK = frozenset({Action.READ, Action.EXPORT_DATA})
_OPERATE = frozenset({Action.START_SYNC, Action.REPLAY, Action.DISCARD, Action.EDIT_MAPPINGS})
_SEE_AND_OPERATE = _LOOK | {Action.READ_PERSONAL_DATA} | _OPERATE
_SUPERVISE = _SEE_AND_OPERATE | {Action.EDIT_CHANNEL, Action.EDIT_JOBS, Action.MANUAL_LOGGING}
_ALL = frozenset(Action)

MAY: dict[Role, frozenset[Action]] = {
    Role.ORGANIZATION_OWNER: _ALL,
    Role.ORGANIZATION_ADMINISTRATOR: _ALL - {Action.EDIT_OWNERS},
    Role.ORGANIZATION_SUPERVISOR: _SUPERVISE,
    # Not switch_account: an organization sets the time at which an account ends, and the account cannot take it back.
    Role.ACCOUNT_ADMINISTRATOR: _ALL - {Action.EDIT_OWNERS, Action.CREATE_ACCOUNT, Action.SWITCH_ACCOUNT},
    Role.ACCOUNT_USER: _SEE_AND_OPERATE,
    Role.VIEWER: _LOOK,
}
"""From a role to all it may, in the places its grant covers (sales channels, section 1)."""

KEY_MAY: dict[KeyScope, frozenset[Action]] = {
    KeyScope.EVENTS_WRITE: frozenset({Action.PUBLISH_EVENTS}),
    # Personal data is masked for viewers, who are people; the OMS reads whole orders with its key.
    KeyScope.READ: _LOOK | {Action.READ_PERSONAL_DATA},
    KeyScope.OPERATE: _SEE_AND_OPERATE,
    KeyScope.ADMIN: MAY[Role.ACCOUNT_ADMINISTRATOR] - {Action.EDIT_USERS, Action.EDIT_KEYS},
}
"""From a scope of an API key to all it may, in the key's own account. No key makes keys or users."""

WHILE_DISABLED = frozenset(
    {Action.READ, Action.EXPORT_DATA, Action.READ_PERSONAL_DATA, Action.READ_AUDIT, Action.SWITCH_ACCOUNT}
)
"""What is left of their rights to users of the organization in a disabled account; all others are locked out."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object belongs: to an account, or (``account_id`` is ``None``) to the organization itself.

    Take both ids from the stored object, never from a request: that they belong together is not checked here.
    """

    organization_id: str
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A role a person has, in a whole organization or in one account. Raises InputError for an impossible one."""

    role: Role
    organization_id: str
    account_id: str | None = None

    def __post_init__(self) -> None:
        name = self.role.title
        if not self.organization_id or self.account_id == "":
            raise InputError(f"{name} of nothing: the id of a place may not be empty.", code="impossible_grant")
        if self.role in ORGANIZATION_ROLES and self.account_id is not None:
            raise InputError(f"{name} is a role in a whole organization: name no account.", code="impossible_grant")
        if self.role in ACCOUNT_ROLES and self.account_id is None:
            raise InputError(f"{name} is a role in one account: name the account.", code="impossible_grant")

    @property
    def place(self) -> Place:
        """Where it was given: the organization itself, or the account."""
        return Place(self.organization_id, self.account_id)

    def covers(self, place: Place) -> bool:
        """Whether it counts there. A role in an organization counts in all its accounts."""
        return self.organization_id == place.organization_id and self.account_id in (None, place.account_id)


@dataclass(frozen=True, slots=True)
class Key:
    """What an API key holds: scopes in one account, at least one."""

    organization_id: str
    account_id: str
    scopes: frozenset[KeyScope]


@dataclass(frozen=True, slots=True)
class Installation:
    """What the person at the command line of the machine holds: everything, everywhere."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: ``name`` as audit and sync log write it, and what it holds. One of three kinds."""

    name: str
    holds: tuple[Grant, ...] | Key | Installation

    @classmethod
    def person(cls, name: str, grants: Iterable[Grant]) -> Actor:
        """Somebody who signed in; without grants nothing is to be seen."""
        return cls(name, tuple(grants))

    @classmethod
    def key(cls, name: str, organization_id: str, account_id: str, scopes: Iterable[str]) -> Actor:
        """A program with an API key. Raises InputError for no scope, or one that does not exist."""
        asked = frozenset(scopes)
        unknown = sorted(asked - set(KeyScope))
        if unknown or not asked:
            named = ", ".join(unknown) or "none given"
            raise InputError(f"Unknown or no scope ({named}); scopes: {', '.join(KeyScope)}.", code="unknown_scope")
        return cls(name, Key(organization_id, account_id, frozenset(map(KeyScope, asked))))

    @classmethod
    def installation(cls, name: str = "installation") -> Actor:
        """The operator of the installation, who has its database and secret keys at hand anyway."""
        return cls(name, Installation())

    @property
    def grants(self) -> tuple[Grant, ...]:
        """The roles of a person; none for the other kinds."""
        return self.holds if isinstance(self.holds, tuple) else ()


class Decision(StrEnum):
    """``DENIED`` (HTTP 403): sees the object but may not. ``HIDDEN`` (404): must not learn that it exists."""

    ALLOWED = "allowed"
    DENIED = "denied"
    HIDDEN = "hidden"


class NotAllowed(TowpathError):
    """The actor belongs to the place but may not do this there; the sentence says who could."""

    code = "not_allowed"


def judge(actor: Actor, action: Action, place: Place, *, account_enabled: bool = True) -> Decision:
    """What to answer. ``account_enabled`` is the state of the place's account; an organization has none."""
    rights = _rights(actor, place, account_enabled)
    if rights is None:
        return Decision.HIDDEN
    return Decision.ALLOWED if action in rights else Decision.DENIED


def can(actor: Actor, action: Action, place: Place, *, account_enabled: bool = True) -> bool:
    """Whether :func:`judge` says ``ALLOWED``."""
    return judge(actor, action, place, account_enabled=account_enabled) is Decision.ALLOWED


def ensure(
    actor: Actor,
    action: Action,
    place: Place,
    *,
    account_enabled: bool = True,
    absent: UnknownName | None = None,
) -> None:
    """Go on only if allowed.

    ``absent`` is the error for an object that does not exist: with it a hidden one cannot be told from none.

    Raises:
        NotAllowed: denied. Its code is ``account_disabled`` where that is in the way, ``missing_scope`` where
            another API key could do it.
        UnknownName: hidden.
    """
    decision = judge(actor, action, place, account_enabled=account_enabled)
    if decision is Decision.HIDDEN:
        raise absent or UnknownName("There is no such object.")
    if decision is Decision.DENIED:
        raise _refusal(actor, action, place, account_enabled)


def may_grant(actor: Actor, grant: Grant, *, account_enabled: bool = True) -> bool:
    """Whether ``actor`` may give this role, or take it away: it edits users there and has itself all that it gives.

    So account administrators give roles in their account only, and only owners make or unmake owners. Whoever
    may not take away every role of a person must not change how that person signs in either.
    """
    own = _rights(actor, grant.place, account_enabled) or frozenset()
    return Action.EDIT_USERS in own and MAY[grant.role] <= own


def _rights(actor: Actor, place: Place, account_enabled: bool) -> frozenset[Action] | None:
    """All the actor may there; ``None`` where nothing it holds reaches the place."""
    disabled = place.account_id is not None and not account_enabled
    match actor.holds:
        case Installation():
            return _ALL
        case Key(organization_id, account_id, scopes):
            if place != Place(organization_id, account_id):
                return None
            return frozenset() if disabled else frozenset().union(*(KEY_MAY[scope] for scope in scopes))
        case grants:
            covering = [grant for grant in grants if grant.covers(place)]
            if not covering:
                return None
            return frozenset().union(*(_given(grant, disabled) for grant in covering))


def _given(grant: Grant, disabled: bool) -> frozenset[Action]:
    if not disabled:
        return MAY[grant.role]
    return MAY[grant.role] & WHILE_DISABLED if grant.account_id is None else frozenset()


def _refusal(actor: Actor, action: Action, place: Place, account_enabled: bool) -> NotAllowed:
    locked_out = not _rights(actor, place, account_enabled)
    if locked_out or can(actor, action, place):
        return NotAllowed(
            f"This account is disabled: its users and API keys are locked out, users of its organization may only "
            f"read. To enable it takes the role {_either(_titles(Action.SWITCH_ACCOUNT, place))}.",
            code="account_disabled",
        )
    words = action.replace("_", " ")
    scopes = [scope.value for scope, may in KEY_MAY.items() if action in may]
    if isinstance(actor.holds, Key) and scopes:
        sentence = f"Not allowed with this API key: {words}. It takes the scope {_either(scopes)}."
        return NotAllowed(sentence, code="missing_scope")
    return NotAllowed(f"Not allowed here: {words}. It takes the role {_either(_titles(action, place))}.")


def _titles(action: Action, place: Place) -> list[str]:
    here = [role for role in Role if place.account_id is not None or role not in ACCOUNT_ROLES]
    return [role.title.lower() for role in here if action in MAY[role]]


def _either(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
