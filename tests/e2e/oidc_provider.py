"""A small OpenID provider in this process: it vouches for whoever it is told to, without asking."""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

CLIENT = "hundredfold"


@dataclass
class Provider:
    """What it says, and what it was asked."""

    address: str
    claims: dict[str, Any]
    key: Any
    asked: dict[str, dict[str, str]] = field(default_factory=dict)

    def secrets(self, ui: str) -> str:
        """Streamlit's secrets for a UI at an address."""
        lines = {
            "redirect_uri": f"{ui}oauth2callback",
            "cookie_secret": secrets.token_hex(32),
            "client_id": CLIENT,
            "client_secret": "known to both",
            "server_metadata_url": f"{self.address}/.well-known/openid-configuration",
        }
        return "[auth]\n" + "".join(
            f"{name} = {json.dumps(each)}\n" for name, each in lines.items()
        )

    def metadata(self) -> dict[str, Any]:
        """Where everything is."""
        places = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "jwks_uri": "keys",
        }
        return {
            "issuer": self.address,
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            **{name: f"{self.address}/{place}" for name, place in places.items()},
        }

    def code(self, query: dict[str, str]) -> str:
        """Where a browser goes that asked to be vouched for."""
        code = secrets.token_hex(16)
        self.asked[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, code: str) -> dict[str, Any]:
        """The signed word that belongs to a code, once."""
        query, now = self.asked.pop(code), int(time.time())
        said = {"iss": self.address, "aud": CLIENT, "iat": now, "exp": now + 600, **self.claims}
        if "nonce" in query:
            said["nonce"] = query["nonce"]
        signed = import_module("joserfc.jwt").encode({"alg": "RS256", "kid": "k"}, said, self.key)
        return {"access_token": "x", "token_type": "Bearer", "expires_in": 600, "id_token": signed}


@contextmanager
def provider(**claims: Any) -> Iterator[Provider]:
    """A provider on a port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    key = import_module("joserfc.jwk").RSAKey.generate_key(
        2048, {"kid": "k", "use": "sig", "alg": "RS256"}
    )
    made = Provider(f"http://127.0.0.1:{server.server_port}", claims, key)
    server.provider = made  # type: ignore[attr-defined]  # the handler finds it there
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    @property
    def _provider(self) -> Provider:
        found: Provider = self.server.provider  # type: ignore[attr-defined]  # see `provider`
        return found

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self._provider.code(dict(parse_qsl(asked.query))))
            self.end_headers()
        elif asked.path == "/keys":
            self._answer({"keys": [self._provider.key.as_dict(private=False)]})
        else:
            self._answer(self._provider.metadata())

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer(self._provider.token(dict(parse_qsl(sent))["code"]))

    def _answer(self, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
