"""Who may ask: the token that a server demands, where it comes from, and whether a request brings it."""

import hashlib
import hmac
import stat
from collections.abc import Mapping
from pathlib import Path

from pqrst.errors import SettingsError

VARIABLE = "PQRST_TOKEN"
SHORTEST, LONGEST = 16, 4096  # signs
OPEN = ("/", "/healthz", "/ready")  # what a probe asks, and the page, which asks for the token itself
OPEN_BELOW = "/page/"


def token(file: Path | None, environment: Mapping[str, str]) -> str:
    """Give the token that is demanded, out of a file that nobody else may read or out of the environment; empty where none is."""
    told = environment.get(VARIABLE)
    if file is not None and told is not None:
        raise SettingsError(f"--token-file and {VARIABLE} are both given; keep one")
    if file is None and told is None:
        return ""
    where = VARIABLE if file is None else str(file)
    return _checked(told if file is None else _read(file), where)  # type: ignore[arg-type]


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            found = file.stat()
            content = opened.read(LONGEST + 1)
    except OSError as error:
        raise SettingsError(f"{file} cannot be read ({error.strerror}); name a file that holds the token") from None
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise SettingsError(f"{file} may be read by others; `chmod 600 {file}`, and choose another token")
    return content.decode("utf-8", "replace").strip()


def _checked(told: str, where: str) -> str:
    """Refuse what is no token: too short to hold against guesses, or of signs that no header carries."""
    if not SHORTEST <= len(told) <= LONGEST or not told.isascii() or any(not "!" <= sign <= "~" for sign in told):
        raise SettingsError(
            f"{where} holds no token: {SHORTEST} to {LONGEST} ASCII signs without a blank, got {len(told)} signs; "
            "make one with `openssl rand -hex 32`"
        )
    return told


def allowed(path: str, headers: list[tuple[bytes, bytes]], demanded: str) -> bool:
    """Say whether a request may pass; how long that takes tells nothing of the token."""
    if not demanded or path in OPEN or path.startswith(OPEN_BELOW):
        return True
    given = [value for name, value in headers if name == b"authorization"]
    kind, _, brought = (given[0] if len(given) == 1 else b"").partition(b" ")
    same = hmac.compare_digest(_digest(brought.strip()), _digest(demanded.encode()))
    return same and kind.lower() == b"bearer"


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
