"""API keys of an account: made, listed, rotated, revoked, by people alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from broker.operations import NewKey
from domain.access import Action
from producers.http.answers import KeyMade, KeyRequest, KeyRevoked, KeysAnswer, RotateRequest
from producers.http.asked import asked
from producers.http.callers import Caller
from producers.http.documented import OF_ACCOUNT, body_docs, problems
from producers.http.door import AtDoor, May

router = APIRouter(tags=["people"])

AccountCode = Annotated[str, Path(description="code of the account")]
KeyId = Annotated[str, Path(min_length=1, max_length=64, pattern="^[0-9a-z-]+$")]
KeyEditor = Annotated[Caller, Depends(May(Action.EDIT_KEYS))]
_KEYS = f"{OF_ACCOUNT}keys"


@router.get(_KEYS, operation_id="listKeys", summary="List API keys", responses=problems(400, 401, 403, 404, 422))
async def list_keys(door: AtDoor, holder: KeyEditor, account: AccountCode) -> KeysAnswer:
    """The API keys of the account, revoked ones too, by how they begin. For administrators; no key makes keys."""
    return KeysAnswer(keys=list(await door.find(door.operations.keys.listed(holder.who, account))))


@router.post(
    _KEYS,
    operation_id="createKey",
    summary="Make an API key",
    status_code=201,
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=body_docs(KeyRequest),
)
async def create_key(request: Request, door: AtDoor, holder: KeyEditor, account: AccountCode) -> KeyMade:
    """The secret is in this answer and nowhere else."""
    body = await asked(request, door, KeyRequest)
    return _made(await door.find(door.operations.keys.create(holder.who, account, body.scopes, body.name)))


@router.post(
    f"{_KEYS}/{{key_id}}/rotate",
    operation_id="rotateKey",
    summary="Rotate an API key",
    status_code=201,
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=body_docs(RotateRequest),
)
async def rotate_key(request: Request, door: AtDoor, holder: KeyEditor, account: AccountCode, key_id: KeyId) -> KeyMade:
    """A new key with the same name and scopes; the old one works on for `grace_seconds`, up to a week."""
    grace = timedelta(seconds=(await asked(request, door, RotateRequest)).grace_seconds)
    return _made(await door.find(door.operations.keys.rotate(holder.who, account, key_id, grace)))


@router.delete(
    f"{_KEYS}/{{key_id}}",
    operation_id="revokeKey",
    summary="Revoke an API key",
    responses=problems(400, 401, 403, 404, 422),
)
async def revoke_key(door: AtDoor, holder: KeyEditor, account: AccountCode, key_id: KeyId) -> KeyRevoked:
    """The key stops, within a second everywhere."""
    await door.find(door.operations.keys.revoke(holder.who, account, key_id))
    return KeyRevoked(id=key_id)


def _made(key: NewKey) -> KeyMade:
    return KeyMade(id=key.id, account=key.account, secret=key.secret, scopes=list(key.scopes))
