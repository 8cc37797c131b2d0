import json
import multiprocessing
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.identity.tokens import Identity
from persistence.identity.keyfiles import KeyFileError, Signer, ensure, thumbprint
from tests.unit.gateway.identity.making import NOW_S, issue


def test_the_made_key_signs_what_the_made_set_verifies(tmp_path: Path) -> None:
    pem, jwks = tmp_path / "keys" / "signing.pem", tmp_path / "keys" / "jwks.json"
    ensure(pem, jwks)
    token = issue(signer=Signer.load(pem))
    assert Identity.load(str(jwks)).verify(token, NOW_S)


def test_the_private_key_is_its_owners_alone(tmp_path: Path) -> None:
    pem, jwks = tmp_path / "keys" / "signing.pem", tmp_path / "keys" / "jwks.json"
    ensure(pem, jwks)
    assert stat.S_IMODE(pem.stat().st_mode) == 0o600
    assert stat.S_IMODE(pem.parent.stat().st_mode) == 0o700
    assert json.loads(jwks.read_bytes())["keys"][0].keys() == {
        *("kty", "crv", "x", "kid", "use", "alg")
    }


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    pem, jwks = tmp_path / "signing.pem", tmp_path / "jwks.json"
    ensure(pem, jwks)
    before = (pem.read_bytes(), jwks.read_bytes())
    ensure(pem, jwks)
    assert (pem.read_bytes(), jwks.read_bytes()) == before
    assert {path.name for path in tmp_path.iterdir()} == {pem.name, jwks.name}


def test_a_lost_key_set_is_made_again_from_the_key(tmp_path: Path) -> None:
    pem, jwks = tmp_path / "signing.pem", tmp_path / "jwks.json"
    ensure(pem, jwks)
    before = jwks.read_bytes()
    jwks.unlink()
    ensure(pem, jwks)
    assert jwks.read_bytes() == before


def test_a_new_key_joins_the_old_one_in_the_set(tmp_path: Path) -> None:
    pem, jwks = tmp_path / "signing.pem", tmp_path / "jwks.json"
    ensure(pem, jwks)
    old = issue(signer=Signer.load(pem))
    pem.unlink()
    ensure(pem, jwks)
    new = issue(signer=Signer.load(pem))
    gate = Identity.load(str(jwks))
    assert gate.verify(old, NOW_S)
    assert gate.verify(new, NOW_S)


def _make(directory: str, start: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    ensure(f"{directory}/signing.pem", f"{directory}/jwks.json")


def test_processes_that_start_at_once_end_with_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start = context.Barrier(4)
    racers = [
        context.Process(target=_make, args=(str(tmp_path), start)) for _ in range(4)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(30)
        assert racer.exitcode == 0
    kids = [k["kid"] for k in json.loads((tmp_path / "jwks.json").read_bytes())["keys"]]
    assert kids == [Signer.load(tmp_path / "signing.pem").kid]
    assert len(list(tmp_path.iterdir())) == 2


def test_the_kid_is_the_thumbprint_of_rfc_8037() -> None:
    # RFC 8037, appendices A.1 and A.3.
    d = bytes.fromhex(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    )
    key = Ed25519PrivateKey.from_private_bytes(d)
    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_an_unusable_signing_key_is_named(tmp_path: Path) -> None:
    pem, jwks = tmp_path / "signing.pem", tmp_path / "jwks.json"
    with pytest.raises(KeyFileError, match=r"signing.pem can't be read"):
        Signer.load(pem)
    pem.write_bytes(b"not a key")
    with pytest.raises(KeyFileError, match=r"signing.pem is not an unencrypted PEM"):
        ensure(pem, jwks)
    pem.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(KeyFileError, match="is not an Ed25519 key"):
        Signer.load(pem)


def test_a_broken_key_set_is_not_overwritten(tmp_path: Path) -> None:
    pem, jwks = tmp_path / "signing.pem", tmp_path / "jwks.json"
    jwks.write_bytes(b"{half a set")
    with pytest.raises(KeyFileError, match=r"jwks.json is not a JWK Set"):
        ensure(pem, jwks)
    assert jwks.read_bytes() == b"{half a set"


def test_two_keys_have_two_refresh_secrets() -> None:
    secrets = {
        Signer(Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)).refresh_secret
        for n in range(4)
    }
    assert len(secrets) == 4
    assert all(len(secret) == 32 for secret in secrets)
