"""Gives RabbitMQ its two working users with no more rights than they need; safe to run again.

The administrator of the image declares the topology and nothing else does. `towpath` (the services) may read
every queue and write to the exchanges; `upstream` (whoever sends events) may write to the entry exchange.
Neither may declare or delete anything.

Needs only Python and the management API. Taken from the environment: RABBITMQ_MANAGEMENT_URL,
RABBITMQ_ADMIN_USER, RABBITMQ_ADMIN_PASSWORD, TOWPATH_RABBITMQ_PASSWORD, UPSTREAM_RABBITMQ_PASSWORD, and
optionally RABBITMQ_VHOST.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.error
import urllib.request
from urllib.parse import quote

NOTHING = "^$"
RIGHTS = {
    "towpath": {
        "configure": NOTHING,
        "write": r"^towpath\.(events|jobs|oms|dead|unrouted)$",
        "read": r"^towpath\.",
    },
    "upstream": {"configure": NOTHING, "write": r"^towpath\.events$", "read": NOTHING},
}


def put(path: str, body: dict[str, str]) -> None:
    """Write one object through the management API; raises urllib's errors."""
    credentials = f"{os.environ['RABBITMQ_ADMIN_USER']}:{os.environ['RABBITMQ_ADMIN_PASSWORD']}"
    request = urllib.request.Request(  # noqa: S310  the address is the operator's own
        f"{os.environ['RABBITMQ_MANAGEMENT_URL'].rstrip('/')}/api/{path}",
        data=json.dumps(body).encode(),
        method="PUT",
        headers={
            "Content-Type": "application/json",
            "Authorization": "Basic " + base64.b64encode(credentials.encode()).decode(),
        },
    )
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310  same
        pass


def main() -> int:
    """Write both users; returns the exit code."""
    vhost = quote(os.environ.get("RABBITMQ_VHOST", "/"), safe="")
    for user, rights in RIGHTS.items():
        password = os.environ.get(f"{user.upper()}_RABBITMQ_PASSWORD")
        if not password:
            print(f"{user.upper()}_RABBITMQ_PASSWORD is not set; set it and run this again", file=sys.stderr)
            return 2
        try:
            put(f"users/{user}", {"password": password, "tags": ""})
            put(f"permissions/{vhost}/{user}", rights)
        except (urllib.error.URLError, TimeoutError) as error:
            print(f"RabbitMQ did not take user {user}: {error}", file=sys.stderr)
            return 1
        print(f"user {user}: write {rights['write']}, read {rights['read']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
