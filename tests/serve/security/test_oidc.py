"""Tokens signed with real RSA, EC and Ed25519 keys, checked against a JWK set that a real server gives."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from aisle.errors import AccessError, ArtifactError, RecipeError
from aisle.serve.security.oidc import TokenVerifier
from aisle.serve.security.settings import Oidc
from tests.serve.security.conftest import bearer

ISSUER, AUDIENCE = "https://id.example", "aisle-shop"
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def jwk(private, kid, **more):
    maker = {"RSA": jwt.algorithms.RSAAlgorithm, "EC": jwt.algorithms.ECAlgorithm, "OKP": jwt.algorithms.OKPAlgorithm}
    kind = "RSA" if isinstance(private, rsa.RSAPrivateKey) else "EC" if private is EC else "OKP"
    return {**json.loads(maker[kind].to_jwk(private.public_key())), "kid": kid, "use": "sig", **more}


class Provider:
    """An identity provider's key server; counts how often it was asked."""

    def __init__(self):
        self.keys, self.asked, self.status = [jwk(RSA, "r1"), jwk(EC, "e1"), jwk(ED, "d1")], 0, 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": outer.keys}).encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def provider():
    held = Provider()
    yield held
    held.close()


def settings(provider, **changes):
    given = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": provider.url, "algorithms": ("RS256", "ES256", "EdDSA")}
    return Oidc(**{**given, **changes})


def token(key=RSA, kid="r1", algorithm="RS256", headers=(), **claims):
    now = time.time()
    held = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "anna",
        "iat": now,
        "exp": now + 300,
        "scope": "search judge",
        **claims,
    }
    held = {name: value for name, value in held.items() if value is not None}
    return jwt.encode(held, key, algorithm=algorithm, headers={"kid": kid, **dict(headers)})


@pytest.mark.parametrize(("key", "kid", "algorithm"), [(RSA, "r1", "RS256"), (EC, "e1", "ES256"), (ED, "d1", "EdDSA")])
def test_a_good_token_gives_its_subject_and_scopes(provider, key, kid, algorithm):
    assert TokenVerifier(settings(provider)).verify(token(key, kid, algorithm)) == ("anna", ("search", "judge"))


def unsigned(algorithm, **claims):
    """A token of no signature, made by hand."""
    now = time.time()
    held = {"iss": ISSUER, "aud": AUDIENCE, "sub": "eve", "exp": now + 300, "scope": "admin", **claims}
    parts = [{"alg": algorithm, "typ": "JWT", "kid": "r1"}, held]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


PUBLIC = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def confused():
    """HS256 with the public key as the secret: the classical confusion."""
    import hashlib
    import hmac

    head = unsigned("HS256").rpartition(".")[0]
    signature = hmac.digest(PUBLIC, head.encode(), hashlib.sha256)
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: unsigned("none"), "signed with 'none'"),
        (lambda: unsigned("None"), "signed with 'None'"),
        (confused, "signed with 'HS256'"),
        (lambda: token(algorithm="RS512"), "signed with 'RS512'"),
        (lambda: token(aud="another-shop"), "Audience doesn't match"),
        (lambda: token(aud=None), 'missing the "aud"'),
        (lambda: token(iss="https://evil.example"), "Invalid issuer"),
        (lambda: token(exp=time.time() - 60), "has expired"),
        (lambda: token(exp=None), 'missing the "exp"'),
        (lambda: token(nbf=time.time() + 120), "not yet valid"),
        (lambda: token(iat=time.time() + 120), "not yet valid"),
        (lambda: token(sub=None), 'missing the "sub"'),
        (lambda: token(OTHER), "Signature verification failed"),
        (lambda: token(OTHER, headers={"jwk": jwk(OTHER, "r1")}), "Signature verification failed"),
        (lambda: token(kid="unknown"), "0 keys 'unknown'"),
        (lambda: token(kid="e1"), "0 keys 'e1' for RS256"),
        (lambda: "a.b", "is refused"),
        (lambda: "x" * 9_000, "9,000 characters"),
        (lambda: token()[:-4] + "AAAA", "Signature verification failed"),
    ],
)
def test_what_is_no_token_of_ours(provider, made, message):
    with pytest.raises(AccessError, match=message):
        TokenVerifier(settings(provider)).verify(made())


def test_a_clock_may_differ_a_little(provider):
    assert TokenVerifier(settings(provider)).verify(token(exp=time.time() - 10))[0] == "anna"


def test_scopes_are_read_where_the_provider_puts_them(provider):
    roles = settings(provider, scopes_claim="realm_access.roles", scopes={"merchandiser": "judge", "ops": "admin"})
    claims = {"realm_access": {"roles": ["merchandiser", "ops", "offline_access", 5]}}
    assert TokenVerifier(roles).verify(token(**claims))[1] == ("judge", "admin")
    assert TokenVerifier(roles).verify(token())[1] == ()  # "scope" is not where this provider says it


def test_keys_are_asked_for_once_and_again_for_a_new_one(provider, monkeypatch):
    verifier = TokenVerifier(settings(provider))
    for _ in range(5):
        verifier.verify(token())
    assert provider.asked == 1
    for number in range(5):  # made-up key ids do not make us ask all the time
        with pytest.raises(AccessError, match="0 keys"):
            verifier.verify(token(kid=f"made-up {number}"))
    assert provider.asked == 1
    provider.keys = [jwk(OTHER, "r2")]
    monkeypatch.setattr("aisle.serve.security.oidc._SOONEST_S", 0.0)  # as if ten seconds had passed
    assert verifier.verify(token(OTHER, "r2"))[0] == "anna"
    with pytest.raises(AccessError, match="0 keys 'r1'"):
        verifier.verify(token())  # the old key is gone


def test_keys_from_before_serve_while_the_provider_is_away(provider, monkeypatch):
    verifier = TokenVerifier(settings(provider))
    verifier.verify(token())
    provider.status = 500
    monkeypatch.setattr(verifier.keys, "_refresh_s", 0.0)
    assert verifier.verify(token())[0] == "anna"
    assert provider.asked > 1
    asked = provider.asked
    fresh = TokenVerifier(settings(provider))
    for message in ("keys cannot be read", "could not be read just now", "could not be read just now"):
        with pytest.raises(ArtifactError, match=message):
            fresh.verify(token())
    assert provider.asked == asked + 1  # not once for each request


def test_keys_from_a_file(provider, tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [jwk(EC, "e1")]}))
    verifier = TokenVerifier(settings(provider, jwks=str(path)))
    assert verifier.verify(token(EC, "e1", "ES256"))[0] == "anna"
    assert provider.asked == 0


def test_settings_that_would_not_be_safe(provider):
    with pytest.raises(RecipeError, match="is not encrypted"):
        TokenVerifier(settings(provider, jwks="http://id.example/keys"))
    with pytest.raises(RecipeError, match="no audience"):
        TokenVerifier(settings(provider, audience=""))
    for algorithm in ("none", "HS256"):
        with pytest.raises(ValueError, match="Input should be 'RS256'"):
            settings(provider, algorithms=(algorithm,))


def test_tokens_and_keys_at_the_door(serve, provider):
    oidc = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": provider.url}
    with serve(oidc=oidc) as (client, security):
        assert client.get("/search").status_code == 401  # a provider alone closes the door
        assert client.get("/search", headers=bearer(token())).json() == {"who": "anna", "kind": "token"}
        assert client.post("/products", headers=bearer(token())).status_code == 403
        assert client.get("/search", headers=bearer(unsigned("none"))).status_code == 401
        _, text = security.keys.create("web", ["search"])
        assert client.get("/search", headers=bearer(text)).json()["kind"] == "key"


def test_a_provider_that_is_away_closes_the_door_and_says_so(serve, provider):
    provider.status = 500
    with serve(oidc={"issuer": ISSUER, "audience": AUDIENCE, "jwks": provider.url}) as (client, _):
        answer = client.get("/search", headers=bearer(token()))
        assert answer.status_code == 503
        assert provider.url not in answer.text
