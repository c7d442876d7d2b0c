"""What shops post to the hooks of channels: who may post what, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence

from broker.bell import Bell
from broker.operations.care import Care, Received, no_hook
from broker.operations.settings import ManifestOf
from broker.operations.values import ChannelRow, Finding
from domain.channels import WEBHOOK, ConnectorManifest
from domain.hooks import Hint


class Pushing:
    """Posts to hooks. A post is known by its secret alone, so whoever sends it is told nothing of the channel."""

    def __init__(self, care: Care, manifest_of: ManifestOf, bell: Bell) -> None:
        self._care = care
        self._manifest_of = manifest_of
        self._bell = bell

    async def sender(self, channel: str, secret: str) -> ConnectorManifest | None:
        """What the platform of the channel of this code can do whose hook has this secret; ``None`` without one."""
        platform = await self._care.hooked_platform(channel, secret)
        return self._manifest_of(platform) if platform is not None else None

    async def receive(self, channel: str, secret: str, hint: Hint) -> Received | None:
        """Take a post: see :meth:`Care.receive`."""
        received = await self._care.receive(channel, secret, hint)
        self._bell.ring()
        return received

    async def findings(self, rows: Sequence[ChannelRow]) -> list[Finding]:
        """Of each of these channels whose *Automation* is *Webhook*, whether its shop can post here, and did."""
        pushed = [row for row in rows if row.settings.automation == WEBHOOK]
        if not pushed:
            return []
        hooks = {(hook.account, hook.channel): hook for hook in await self._care.hooks(None)}
        made = []
        for row in pushed:
            hook = hooks.get((row.account, row.code))
            name = f"automation {row.account}/{row.code}"
            if hook is None:
                made.append(Finding(name, False, no_hook(row.account, row.code)))
            elif hook.received_at is None:
                told = f"No post has come since the hook was made on {hook.created_at:%Y-%m-%d %H:%M} UTC."
                made.append(Finding(name, False, f"{told} Give the shop its path, and look whether it posts."))
            else:
                told = f"The last of {hook.received} posts came on {hook.received_at:%Y-%m-%d %H:%M} UTC."
                made.append(Finding(name, True, told))
        return made
