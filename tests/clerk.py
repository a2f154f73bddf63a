"""An instance of Clerk for tests: real RS256 keys, and their endpoint over real HTTP that can be away, slow or wrong."""

import functools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://clerk.example.com"
PARTY = "https://app.example.com"


def private_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key by its name, made once in a run."""
    return _made(name, bits)


@functools.cache
def _made(name: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public_pem(name: str) -> bytes:
    return private_key(name).public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def jwk(name: str, **changes: object) -> dict[str, Any]:
    bits = changes.pop("bits", 2048)
    described: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(private_key(name, bits).public_key()))  # type: ignore[arg-type]
    return described | {"kid": name, "use": "sig", "alg": "RS256"} | changes


def claims(user: str = "user_ada", **changes: object) -> dict[str, Any]:
    """The claims of a good token of now; None takes one away."""
    at = int(time.time())
    said = {"sub": user, "iss": ISSUER, "azp": PARTY, "iat": at, "nbf": at - 10, "exp": at + 60, "sid": "sess_1", "v": 2}
    return {name: value for name, value in (said | changes).items() if value is not None}


def token(user: str = "user_ada", *, key: str = "first", headers: dict[str, Any] | None = None, **changes: object) -> str:
    """A session token, good unless changed."""
    return jwt.encode(claims(user, **changes), private_key(key), "RS256", headers={"kid": key} | (headers or {}))


def member(user: str, organisation: str, role: str, **more: Any) -> str:
    """A token of version 2 of somebody in an organisation."""
    return token(user, o={"id": organisation, "rol": role, "slg": "ada-co"}, **more)


class Endpoint:
    """Where the public keys are read."""

    def __init__(self, *names: str) -> None:
        self.keys: list[dict[str, Any]] = [jwk(name) for name in names]
        self.status = 200
        self.body: bytes | None = None
        self.fetches = 0
        self.answer = threading.Event()
        self.answer.set()
        self.drip = 0.0
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.fetches += 1
                endpoint.answer.wait(60)
                body = json.dumps({"keys": endpoint.keys}).encode() if endpoint.body is None else endpoint.body
                self.send_response(endpoint.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    for start in range(0, len(body), 1 if endpoint.drip else len(body) or 1):
                        self.wfile.write(body[start : start + (1 if endpoint.drip else len(body))])
                        time.sleep(endpoint.drip)
                except OSError:
                    pass  # who asked has gone

            def log_message(self, *_args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_args: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/.well-known/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """From now on nothing listens there."""
        self.answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def environ(self) -> dict[str, str]:
        """The settings of a service that believes this instance."""
        return {"CLERK_JWKS_URL": self.url, "CLERK_ISSUER": ISSUER, "CLERK_AUTHORIZED_PARTIES": PARTY}
