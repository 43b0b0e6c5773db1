"""The outermost layer of the application: the token, headers on every answer, and a failure that tells no stranger anything."""

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from traceback import extract_tb
from typing import Any

from starlette.responses import JSONResponse

from pqrst.console import log
from pqrst.serve import access
from pqrst.serve.limits import RefusalError

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PAIRS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def guarded(app: Application, demanded: str) -> Application:
    """Put the layer around an application; without a demanded token all may pass."""

    async def call(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        begun = False

        async def headed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message["headers"], *PAIRS]
            await send(message)

        try:
            inner = app if access.allowed(scope["path"], scope["headers"], demanded) else _unknown()
            await inner(scope, receive, headed)
        except Exception as error:  # noqa: BLE001 (a server goes on, whatever fails)
            _tell(scope, error)
            if not begun:
                await _answer(500, "the server failed; its log says where")(scope, receive, headed)

    return call


def _unknown() -> JSONResponse:
    return _answer(
        401,
        "a token is needed: send the header Authorization: Bearer TOKEN",
        {"WWW-Authenticate": 'Bearer realm="pqrst"'},
    )


def _answer(status: int, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(RefusalError(status, reason).told(), status, headers)


def _tell(scope: Message, error: Exception) -> None:
    """Log what failed and where, and nothing of what was sent: an exception's own words may quote it."""
    frames = extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
    log.error("%s %r failed: %s at %s", scope["method"], scope["path"][:100], type(error).__name__, place)
    log.debug("in full", exc_info=error)
