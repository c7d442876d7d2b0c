"""Where a channel's calls go: base URL and headers, built once and used for every call."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import httpx

from connectors.http.limits import AllowedHosts
from domain.channels import Channel
from domain.errors import ShopError, ShopRejected, ShopUnauthorized

_DOMAIN = re.compile(
    r"(?P<host>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)(?::(?P<port>\d{1,5}))?"
)
_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Prebuilt parts of a channel's calls. With ``refusal`` set, no call can be made and this says why.

    ``headers``, and ``head`` which are the same as header lines, hold the access token and stay out of ``repr``.
    """

    base: str
    headers: httpx.Headers = field(repr=False)
    refusal: ShopError | None = None
    url: httpx.URL = field(init=False)
    head: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", httpx.URL(self.base if self.refusal is None else ""))
        lines = b"".join(b"%b: %b\r\n" % (name.lower(), value) for name, value in self.headers.raw)
        object.__setattr__(self, "head", lines)


def build_endpoint(channel: Channel, path: str, token_header: str, allowed: AllowedHosts) -> Endpoint:
    """The endpoint of a channel, for ``https://{domain}{path}``.

    A domain with a port is accepted only if the pair is allowed, and is then called over plain http; a domain
    that is no host name at all, or a token no header can carry, gives an endpoint with a refusal.
    """
    refusal: ShopError | None = None
    scheme = "https"
    match = _DOMAIN.fullmatch(channel.domain)
    token = channel.token.get_secret_value()
    if match is not None and match["port"] is not None and (match["host"], int(match["port"])) in allowed:
        scheme = "http"
    elif match is None or match["port"] is not None or match["host"].rpartition(".")[2].isdigit():
        refusal = _bad_domain(channel)
    if not _TOKEN.fullmatch(token):
        token = ""
        refusal = refusal or ShopUnauthorized(
            f"Channel {channel.code}: the access token is empty or holds characters no header can carry. "
            "Enter it again as the shop shows it."
        )
    headers = httpx.Headers({"accept": "application/json", "user-agent": "towpath", token_header: token})
    return Endpoint(f"{scheme}://{channel.domain}{path}", headers, refusal)


def _bad_domain(channel: Channel) -> ShopRejected:
    return ShopRejected(
        f"Channel {channel.code}: its Shop Domain is no plain host name, so no call is made. "
        "Enter the name alone, without port, path or user name.",
        code="address_refused",
    )
