"""Users and their roles in SQL. Whatever changes them holds the row of their organization: one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from broker.operations.people import Allow, NewUser, User
from domain.access import Grant, Place, Role
from domain.errors import InputError, UnknownName
from domain.ids import new_id
from domain.moments import from_micros
from domain.people import clean_email
from storage.people.audit import Change, append
from storage.people_tables import grants, sessions, users
from storage.sql import chunks, locking
from storage.tables import accounts, organizations


def create(connection: Connection, new: NewUser, now: int, actor: str) -> str:
    """Insert a user without a password, with roles; the id.

    Raises:
        InputError: the address is none or belongs to another user, the name is empty, or a role is of elsewhere.
        UnknownName: no such organization or account.
    """
    email, name = clean_email(new.email), _name(new.name)
    _hold(connection, new.organization_id)
    _ensure_free(connection, email)
    made = new_id()
    connection.execute(
        insert(users).values(id=made, organization_id=new.organization_id, email=email, name=name, created_at=now)
    )
    for grant in dict.fromkeys(new.grants):
        _insert(connection, made, new.organization_id, grant)
    append(connection, Change(actor, "user.created", _object(made), Place(new.organization_id)), now)
    for grant in dict.fromkeys(new.grants):
        append(connection, _about(actor, "role.granted", made, grant), now)
    return made


def set_password_hash(connection: Connection, user_id: str, made: str, allow: Allow, now: int, actor: str) -> None:
    """Replace the hash of the password; all sessions of the user end."""
    user = held(connection, user_id)
    allow(user)
    _sign_out(connection, user_id)
    connection.execute(update(users).where(users.c.id == user_id).values(password_hash=made))
    append(connection, Change(actor, "user.password_set", _object(user_id), Place(user.organization_id)), now)


def renew_hash(connection: Connection, user_id: str, known: str, made: str) -> None:
    """Replace the hash by another of the same password, unless it was changed meanwhile. No audit: nothing changed."""
    same = (users.c.id == user_id) & (users.c.password_hash == known)
    connection.execute(update(users).where(same).values(password_hash=made))


def switch(connection: Connection, user_id: str, enabled: bool, allow: Allow, now: int, actor: str) -> None:
    """Disable a user (its sessions end, and nobody signs in as it any more) or enable it again; nothing happens where
    it is so already.

    Raises:
        InputError: it is the last owner of its organization.
    """
    user = held(connection, user_id)
    allow(user)
    if (user.disabled_at is None) is enabled:
        return
    if not enabled:
        _keep_an_owner(connection, user)
        _sign_out(connection, user_id)
    connection.execute(update(users).where(users.c.id == user_id).values(disabled_at=None if enabled else now))
    action = "user.enabled" if enabled else "user.disabled"
    append(connection, Change(actor, action, _object(user_id), Place(user.organization_id)), now)


def change(
    connection: Connection, user_id: str, given: tuple[str | None, str | None], allow: Allow, now: int, actor: str
) -> None:
    """Set name and e-mail address; ``None`` leaves one as it is. The audit tells which, not what: it is never erased.

    Raises:
        InputError: the address is none or belongs to another user, or the name is empty.
    """
    user = held(connection, user_id)
    allow(user)
    name, email = given
    wanted = {"name": user.name if name is None else _name(name)}
    wanted["email"] = user.email if email is None else clean_email(email)
    changed = sorted(each for each, value in wanted.items() if value != getattr(user, each))
    if not changed:
        return
    if "email" in changed:
        _ensure_free(connection, wanted["email"])
        _sign_out(connection, user_id)
    connection.execute(update(users).where(users.c.id == user_id).values(**wanted))
    detail = {"changed": changed}
    append(connection, Change(actor, "user.changed", _object(user_id), Place(user.organization_id), detail), now)


def _name(text: str) -> str:
    if not text.strip():
        raise InputError("A user needs a name.", code="name_missing")
    return text.strip()


def _ensure_free(connection: Connection, email: str) -> None:
    if connection.scalar(select(users.c.id).where(users.c.email == email)):
        raise InputError("There is a user with this e-mail address already.", code="email_taken")


def give(connection: Connection, user_id: str, grant: Grant, now: int, actor: str) -> None:
    """Give a role. Raises InputError for one it has, or of another organization; UnknownName for no such account."""
    user = held(connection, user_id)
    if grant in user.grants:
        raise InputError(f"This user is {grant.role.title.lower()} there already.", code="role_held")
    _insert(connection, user_id, user.organization_id, grant)
    append(connection, _about(actor, "role.granted", user_id, grant), now)


def take(connection: Connection, user_id: str, grant: Grant, now: int, actor: str) -> None:
    """Take a role away. Raises InputError for one it has not, or for the last owner of an organization."""
    user = held(connection, user_id)
    if grant not in user.grants:
        raise InputError(f"This user is not {grant.role.title.lower()} there.", code="role_not_held")
    if grant.role is Role.ORGANIZATION_OWNER:
        _keep_an_owner(connection, user)
    place = (grants.c.organization_id == grant.organization_id) & (
        grants.c.account_id.is_(None) if grant.account_id is None else grants.c.account_id == grant.account_id
    )
    connection.execute(delete(grants).where(grants.c.user_id == user_id, grants.c.role == grant.role.value, place))
    append(connection, _about(actor, "role.revoked", user_id, grant), now)


def held(connection: Connection, user_id: str) -> User:
    """The user as stored, its organization locked until the end of the transaction. Raises UnknownName."""
    organization = connection.scalar(select(users.c.organization_id).where(users.c.id == user_id))
    if organization is None:
        raise UnknownName("There is no such user.", code="unknown_user")
    _hold(connection, organization)
    return _users(connection, select(users).where(users.c.id == user_id))[0]


def by_email(connection: Connection, email: str) -> tuple[User, str | None] | None:
    """The user of an address, with the hash of the password; ``None`` where there is none."""
    query = select(users).where(users.c.email == email)
    row = connection.execute(query).first()
    return (_users(connection, query)[0], row.password_hash) if row else None


def by_id(connection: Connection, user_id: str) -> User | None:
    """The user of an id; ``None`` where there is none."""
    found = _users(connection, select(users).where(users.c.id == user_id))
    return found[0] if found else None


def listed(connection: Connection, organization_id: str | None) -> list[User]:
    """The users of an organization, or all, by e-mail address."""
    query = select(users).order_by(users.c.email)
    return _users(
        connection, query if organization_id is None else query.where(users.c.organization_id == organization_id)
    )


def _users(connection: Connection, query: Select[Any]) -> list[User]:
    found = connection.execute(query).all()
    roles: dict[str, list[Grant]] = {row.id: [] for row in found}
    for part in chunks(list(roles)):
        for each in connection.execute(select(grants).where(grants.c.user_id.in_(part)).order_by(grants.c.id)):
            roles[each.user_id].append(Grant(Role(each.role), each.organization_id, each.account_id))
    return [_user(row, roles[row.id]) for row in found]


def _user(row: Row[Any], roles: Sequence[Grant]) -> User:
    return User(
        id=row.id,
        organization_id=row.organization_id,
        email=row.email,
        name=row.name,
        created_at=from_micros(row.created_at),
        disabled_at=from_micros(row.disabled_at) if row.disabled_at is not None else None,
        has_password=row.password_hash is not None,
        grants=tuple(roles),
    )


def _sign_out(connection: Connection, user_id: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.user_id == user_id))


def _hold(connection: Connection, organization_id: str) -> None:
    query = select(organizations.c.id).where(organizations.c.id == organization_id)
    if connection.scalar(locking(connection, query)) is None:
        raise UnknownName(f"There is no organization {organization_id!r}.", code="unknown_organization")


def _keep_an_owner(connection: Connection, user: User) -> None:
    """Refuse to lose the last who may make owners."""
    owner = Grant(Role.ORGANIZATION_OWNER, user.organization_id)
    if owner not in user.grants or user.disabled_at is not None:
        return
    others = select(users.c.id).join(grants, grants.c.user_id == users.c.id)
    others = others.where(grants.c.role == owner.role.value, grants.c.organization_id == owner.organization_id)
    if connection.scalar(others.where(users.c.disabled_at.is_(None), users.c.id != user.id).limit(1)) is None:
        raise InputError(
            "This is the last owner of the organization, and one must remain: make somebody else owner first.",
            code="last_owner",
        )


def _insert(connection: Connection, user_id: str, organization_id: str, grant: Grant) -> None:
    if grant.organization_id != organization_id:
        raise InputError("A user has roles only in the organization it belongs to.", code="other_organization")
    if grant.account_id is not None:
        account = select(accounts.c.id).where(
            accounts.c.id == grant.account_id, accounts.c.organization_id == organization_id
        )
        if connection.scalar(account) is None:
            raise UnknownName("The organization of this user has no such account.", code="unknown_account")
    connection.execute(
        insert(grants).values(
            id=new_id(),
            user_id=user_id,
            role=grant.role.value,
            organization_id=organization_id,
            account_id=grant.account_id,
        )
    )


def _about(actor: str, action: str, user_id: str, grant: Grant) -> Change:
    return Change(actor, action, _object(user_id), grant.place, {"role": grant.role.value})


def _object(user_id: str) -> str:
    return f"user:{user_id}"
