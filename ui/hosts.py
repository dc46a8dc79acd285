"""Under which names the UI answers."""

from collections.abc import Mapping

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Receive, Scope, Send

_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_HEALTH = "/_stcore/health"


def allowed(environ: Mapping[str, str]) -> list[str]:
    """The host names of HUNDREDFOLD_UI_HOSTS, else those of this machine."""
    named = environ.get("HUNDREDFOLD_UI_HOSTS", "").split(";")
    return [each.strip() for each in named if each.strip()] or list(_LOCAL)


class AllowedHosts(TrustedHostMiddleware):
    """Refuses requests for other hosts; whoever asks for health may use any name, as Kubernetes does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope.get("path") == _HEALTH:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
