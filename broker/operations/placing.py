"""Whether somebody may do something in an account, found by its code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.access import Action, Actor, Place, ensure
from domain.channels import Account
from domain.errors import UnknownName

if TYPE_CHECKING:
    from broker.operations.desk import Desk


async def allowed(desk: Desk, by: Actor, action: Action, code: str) -> Account:
    """The account of that code, where ``by`` may do this.

    Raises:
        UnknownName: there is none, or ``by`` must not learn that there is.
        NotAllowed: ``by`` may not; the sentence says who could.
    """
    absent = UnknownName(f"There is no account {code!r}.", code="unknown_account")
    account = next((each for each in await desk.accounts() if each.code == code), None)
    if account is None:
        raise absent
    place = Place(account.organization_id, account.id)
    ensure(by, action, place, account_enabled=account.enabled, absent=absent)
    return account
