"""Whose conversations a page lists.

On a server that only this machine can reach, all conversations are those of its user. Anywhere else each
browser carries a random key in a cookie and sees its own only. A conversation's id stays the key to the
conversation itself: who is given a link to one can read it and go on with it, but not rename or delete it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping

from starlette.responses import Response

COOKIE = "areographer-owner"
A_YEAR_S = 365 * 24 * 3600
_KEY = re.compile(r"[A-Za-z0-9_-]{32}")


def owner_of_page(cookies: Mapping[str, str], local: bool) -> str | None:
    """What the conversations of this browser are stored under; None: they are all its own.

    A browser without a key has no list yet (an empty string, which nothing is listed under).
    """
    if local:
        return None
    key = cookies.get(COOKIE, "")
    # The key itself is the browser's alone: what is stored cannot be shown to the server as a cookie.
    return hashlib.sha256(key.encode()).hexdigest()[:32] if _KEY.fullmatch(key) else ""


def hand_out(response: Response, owner: str | None, secure: bool) -> None:
    """Give a browser that has no key one, with the answer to whatever it asked."""
    if owner == "":
        response.set_cookie(
            COOKIE,
            secrets.token_urlsafe(24),
            max_age=A_YEAR_S,
            httponly=True,
            samesite="strict",
            secure=secure,
        )
