"""Who may ask: a token, known to the server and its users, in a header or in a cookie that the page gets for it."""

import hashlib
import hmac
import os
from pathlib import Path

TOKEN_VARIABLE = "HYBRID_SBIR_TOKEN"
COOKIE = "hybrid_sbir_session"
_SHORTEST = 16


class Access:
    """Compares what a request carries with the token, in constant time.

    Args:
        token: without one everybody may ask.

    Attributes:
        needed: whether there is a token.
    """

    def __init__(self, token: str | None) -> None:
        self.needed = token is not None
        self._token = hashlib.sha256((token or "").encode()).digest()
        self.cookie = hmac.new((token or "").encode(), b"hybrid_sbir page", hashlib.sha256).hexdigest()

    def token_fits(self, token: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(hashlib.sha256(token.encode("utf-8", "replace")).digest(), self._token)

    def allows(self, headers: dict[str, str]) -> bool:
        """Whether a request with these headers, names in small letters, may be answered."""
        if not self.needed:
            return True
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.token_fits(token.strip()):
            return True
        cookies = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        given = [value for name, _, value in cookies if name == COOKIE]
        return any(hmac.compare_digest(value.encode(), self.cookie.encode()) for value in given)


def without_port(host: str) -> str:
    """Return the name in ``NAME:PORT``, small and without the brackets of IPv6."""
    name = host.rsplit(":", 1)[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    return name.strip("[]").lower().rstrip(".")


def read_token(file: Path | None) -> str | None:
    """Return the token from a file or, without one, from the environment; None if neither is given.

    Raises:
        ValueError: if the file cannot be read, or the token is shorter than 16 characters.
    """
    try:
        text = file.read_text(encoding="utf-8") if file else os.environ.get(TOKEN_VARIABLE)
    except (OSError, UnicodeDecodeError) as problem:  # without the name: it may be the token itself, misplaced
        why = problem.strerror if isinstance(problem, OSError) else "it is no text"
        raise ValueError(
            f"the file that token_file names cannot be read: {why}; give a file that holds the token"
        ) from None
    if text is None:
        return None
    token, where = text.strip(), "token_file" if file else TOKEN_VARIABLE
    if len(token) < _SHORTEST or not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError(
            f"the token in {where} has {len(token)} characters; it needs at least {_SHORTEST}, of ASCII and without "
            "spaces; make one: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return token
