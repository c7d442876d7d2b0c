"""The cookie of a session, and what keeps other sites from using it (ASVS 5.0, 3.3 and 3.5)."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from fastapi.security import APIKeyCookie
from starlette.requests import Request
from starlette.responses import Response

from producers.http.problems import Refusal

COOKIE = "towpath_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Its name over https: browsers take it from no other host and over no plain connection."""
CSRF_HEADER = "X-CSRF-Token"
_LONGEST = 256

session_cookie = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    scheme_name="session",
    description=f"Somebody who signed in by `POST /v1/session`. Over https the cookie is `{SECURE_COOKIE}`. Requests "
    f"that change something need the header `{CSRF_HEADER}` too, with the `csrf_token` of `GET /v1/session`.",
)


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def token_of(request: Request) -> str | None:
    """The token of the session cookie; ``None`` where there is none that could be one."""
    token = request.cookies.get(SECURE_COOKIE if _is_secure(request) else COOKIE)
    return token if token and token.isascii() and len(token) <= _LONGEST else None


def give(request: Request, response: Response, token: str) -> None:
    """Set the cookie. It has no end of its own: it goes with the browser, and the session ends by itself."""
    secure = _is_secure(request)
    name = SECURE_COOKIE if secure else COOKIE
    response.set_cookie(name, token, path="/", secure=secure, httponly=True, samesite="lax")


def take_back(request: Request, response: Response) -> None:
    """Delete the cookie."""
    secure = _is_secure(request)
    name = SECURE_COOKIE if secure else COOKIE
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")


def csrf_token(token: str) -> str:
    """What a page must send along in :data:`CSRF_HEADER`: bound to the session, and it tells nothing of its token."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def ensure_token(request: Request, token: str) -> None:
    """Go on only with the token that ``GET /v1/session`` told our own page.

    Raises:
        Refusal: 403.
    """
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), csrf_token(token).encode()):
        raise _csrf(f"Send the csrf_token of GET /v1/session in the header {CSRF_HEADER}.")


def ensure_own_page(request: Request) -> None:
    """Go on only if no page of another site made this request: by what the browser says of it, if one did at all.

    Raises:
        Refusal: 403.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise _csrf("A page of another site made this request.")
        return
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise _csrf("A page of another site made this request.")


def _csrf(detail: str) -> Refusal:
    return Refusal(403, "csrf", detail)
