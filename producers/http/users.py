"""Users and their roles, by who may edit them (sales channels, section 1)."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from broker.operations import NewUser, Session, User
from domain.access import Action, Decision, Grant, NotAllowed, Place, Role, judge
from domain.channels import Account
from domain.people import LONGEST_EMAIL
from producers.http.asked import asked
from producers.http.asking import with_example
from producers.http.callers import unknown_account
from producers.http.documented import body_docs, problems
from producers.http.door import AtDoor, Door
from producers.http.problems import Refusal
from producers.http.session import GrantAnswer, Person

router = APIRouter(tags=["people"])

_LONGEST_SECRET = 1024
UserId = Annotated[str, Path(min_length=1, max_length=64, pattern="^[0-9a-z-]+$", description="id of the user")]
Code = Annotated[str | None, Query(max_length=64, description="the account; the whole organization without")]
_USER = "/v1/users/{user_id}"
_ROLE = {"role": "viewer", "account": "acme"}
_NEW = {"email": "jo@example.com", "name": "Jo", "grants": [_ROLE]}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class GrantRequest(_Body):
    """A role, in the whole organization or in the account of this code."""

    role: Role
    account: str | None = Field(default=None, max_length=64)


class UserRequest(_Body):
    """A new user, who can sign in once there is a password."""

    email: str = Field(max_length=LONGEST_EMAIL)
    name: str = Field(min_length=1, max_length=200)
    grants: list[GrantRequest] = Field(default=[], max_length=100)


class UserChanges(_Body):
    """What is to be different; what is left out stays."""

    email: str | None = Field(default=None, max_length=LONGEST_EMAIL)
    name: str | None = Field(default=None, min_length=1, max_length=200)
    enabled: bool | None = None


class ResetRequest(BaseModel):
    """A new password for somebody else."""

    model_config = ConfigDict(extra="forbid")

    password: SecretStr = Field(max_length=_LONGEST_SECRET, description="15 to 256 characters")


class UserAnswer(BaseModel):
    """A user, with the roles in places that the caller can see; ``elsewhere`` tells that there are others."""

    id: str
    email: str
    name: str
    organization: str = Field(description="id")
    enabled: bool
    has_password: bool
    created_at: AwareDatetime
    grants: list[GrantAnswer]
    elsewhere: bool


class UsersAnswer(BaseModel):
    """Users, by e-mail address."""

    users: list[UserAnswer]


class PasswordSet(BaseModel):
    """Whose password was set."""

    id: str
    status: Literal["password_set"] = "password_set"


class RoleTaken(BaseModel):
    """Which role the user has no more."""

    id: str
    role: Role
    account: str | None


@router.get("/v1/users", operation_id="listUsers", summary="List users", responses=problems(401, 403))
async def list_users(door: AtDoor, person: Person) -> UsersAnswer:
    """Those of whose roles one may change at least one. For administrators, of an organization or of an account."""
    found = await door.ask(door.operations.people.users(person.actor, person.user.organization_id))
    if not found:
        # Whoever may edit users anywhere sees at least one: oneself.
        raise NotAllowed("Not allowed here: to see and edit users takes an administrator.")
    codes = await _codes(door, person)
    return UsersAnswer(users=[_answer(each, person, codes) for each in found])


@router.post(
    "/v1/users",
    operation_id="createUser",
    summary="Make a user",
    status_code=201,
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=with_example(body_docs(UserRequest), _NEW),
)
async def create_user(request: Request, door: AtDoor, person: Person) -> UserAnswer:
    """A user of one's own organization, with roles that one may give. Without a role it takes its administrator."""
    body = await asked(request, door, UserRequest)
    home = person.user.organization_id
    grants = tuple([await _grant(door, person, each.role, each.account) for each in body.grants])
    made = await door.find(door.operations.people.add(person.actor, NewUser(home, body.email, body.name, grants)))
    return await _shown(door, person, made)


@router.get(_USER, operation_id="showUser", summary="Show a user", responses=problems(401, 403, 404, 422))
async def show_user(door: AtDoor, person: Person, user_id: UserId) -> UserAnswer:
    """One user with its roles."""
    return await _shown(door, person, user_id)


@router.patch(
    _USER,
    operation_id="changeUser",
    summary="Change, disable or enable a user",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=with_example(body_docs(UserChanges), {"name": "Jo Miller"}),
)
async def change_user(request: Request, door: AtDoor, person: Person, user_id: UserId) -> UserAnswer:
    """It takes one who may give all roles of the user. With another e-mail address, or disabled, its sessions end."""
    body, people = await asked(request, door, UserChanges), door.operations.people
    if body.name is not None or body.email is not None:
        await door.find(people.change(person.actor, user_id, name=body.name, email=body.email))
    if body.enabled is not None:
        await door.find(people.set_enabled(person.actor, user_id, body.enabled))
    return await _shown(door, person, user_id)


@router.put(
    f"{_USER}/password",
    operation_id="resetPassword",
    summary="Set the password of a user",
    responses=problems(400, 401, 403, 404, 408, 409, 413, 422),
    openapi_extra=with_example(body_docs(ResetRequest), {"password": "a sentence that is long"}),
)
async def reset_password(request: Request, door: AtDoor, person: Person, user_id: UserId) -> PasswordSet:
    """For one who lost it, or has none yet. All sessions of the user end. One's own is changed in the session."""
    if user_id == person.user.id:
        raise Refusal(409, "own_password", "Change your own password by PUT /v1/session/password.")
    body = await asked(request, door, ResetRequest)
    work = door.operations.people.set_password(person.actor, user_id, body.password.get_secret_value())
    await door.find(work)
    return PasswordSet(id=user_id)


@router.post(
    f"{_USER}/grants",
    operation_id="giveRole",
    summary="Give a role",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=with_example(body_docs(GrantRequest), _ROLE),
)
async def give_role(request: Request, door: AtDoor, person: Person, user_id: UserId) -> UserAnswer:
    """Nobody gives more than they have, and only an owner makes owners."""
    body = await asked(request, door, GrantRequest)
    grant = await _grant(door, person, body.role, body.account)
    await door.find(door.operations.people.grant(person.actor, user_id, grant))
    return await _shown(door, person, user_id)


@router.delete(
    f"{_USER}/grants/{{role}}",
    operation_id="takeRole",
    summary="Take a role away",
    responses=problems(401, 403, 404, 422),
)
async def take_role(
    door: AtDoor, person: Person, user_id: UserId, role: Annotated[Role, Path()], account: Code = None
) -> RoleTaken:
    """The last owner of an organization stays. Who has no role left that one can see is not shown to one any more."""
    grant = await _grant(door, person, role, account)
    await door.find(door.operations.people.revoke(person.actor, user_id, grant))
    return RoleTaken(id=user_id, role=role, account=account)


async def _grant(door: Door, person: Session, role: Role, code: str | None) -> Grant:
    """The role in the organization of who asks, or in one of its accounts that who asks can see.

    Raises:
        Refusal: 404 for an account that is not there, or not to be seen.
        InputError: a role of elsewhere.
    """
    if code is None:
        return Grant(role, person.user.organization_id)
    account = next((each for each in await _accounts(door, person) if each.code == code), None)
    if account is None:
        error = unknown_account(code)
        raise Refusal(404, error.code, error.sentence)
    return Grant(role, account.organization_id, account.id)


async def _accounts(door: Door, person: Session) -> list[Account]:
    return list(await door.ask(door.operations.sessions.accounts(person)))


async def _codes(door: Door, person: Session) -> dict[str, str]:
    return {account.id: account.code for account in await _accounts(door, person)}


async def _shown(door: Door, person: Session, user_id: str) -> UserAnswer:
    user = await door.find(door.operations.people.user(person.actor, user_id))
    return _answer(user, person, await _codes(door, person))


def _answer(user: User, person: Session, codes: dict[str, str]) -> UserAnswer:
    def seen(place: Place) -> bool:
        return judge(person.actor, Action.EDIT_USERS, place) is not Decision.HIDDEN

    grants = [each for each in user.grants if seen(each.place)]
    return UserAnswer(
        id=user.id,
        email=user.email,
        name=user.name,
        organization=user.organization_id,
        enabled=user.disabled_at is None,
        has_password=user.has_password,
        created_at=user.created_at,
        grants=[
            GrantAnswer(role=each.role, organization=each.organization_id, account=codes.get(each.account_id or ""))
            for each in grants
        ],
        elsewhere=len(grants) < len(user.grants),
    )
