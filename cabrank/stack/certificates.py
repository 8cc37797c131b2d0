"""Certificates that nobody outside has signed: the proxy's, and those between the
containers of compose.yaml. Bytes out; writes no file.
"""

import datetime as dt
import ipaddress
import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PROXY_LIFE = dt.timedelta(days=397)
"""The longest that browsers take (CA/Browser Forum ballot SC-31 of 2020)."""
INSIDE_LIFE = dt.timedelta(days=3650)
"""Nobody outside sees these, and nobody would think of the day on which they end."""
COMMON_NAME_MAX = 64
"""RFC 5280 appendix A.1. Nobody reads it; names are among the alternatives."""
HOST_NAME_MAX = 253
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(\*\.)?({_LABEL}\.)*{_LABEL}")
CLOCKS_DIFFER = dt.timedelta(hours=1)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


class Authority:
    """Signs certificates; its key lives as long as the object, and is kept nowhere.
    `pem` is its own certificate.
    """

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(name)
        self._until = dt.datetime.now(dt.UTC) + INSIDE_LIFE
        own = _builder(self._name, self._key, self._name, self._key, self._until)
        signed = _as_authority(own).sign(self._key, hashes.SHA256())
        self.pem = signed.public_bytes(serialization.Encoding.PEM)

    def issue(self, names: list[str], *, is_client: bool = False) -> bytes:
        """A server's certificate, and the key: PEM. `names`: DNS names or addresses;
        `is_client`: also to show to other servers.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        built = _builder(_subject(names[0]), key, self._name, self._key, self._until)
        usages = [SERVER, CLIENT] if is_client else [SERVER]
        signed = _as_server(built, names, usages).sign(self._key, hashes.SHA256())
        return _pem(signed, key)


def self_signed(names: list[str]) -> bytes:
    """A certificate signed by its own key, and the key: PEM, as HAProxy wants them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(names[0])
    until = dt.datetime.now(dt.UTC) + PROXY_LIFE
    built = _as_authority(_builder(subject, key, subject, key, until))
    return _pem(_as_server(built, names, [SERVER]).sign(key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    until: dt.datetime,
) -> x509.CertificateBuilder:
    """With what strict verifiers want of every certificate (RFC 5280, 4.2.1)."""
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime.now(dt.UTC) - CLOCKS_DIFFER)
        .not_valid_after(until)
        .add_extension(own, critical=False)
        .add_extension(by, critical=False)
    )


def _as_authority(built: x509.CertificateBuilder) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return built.add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    ).add_extension(usage, critical=True)


def _as_server(
    built: x509.CertificateBuilder,
    names: list[str],
    usages: list[x509.ObjectIdentifier],
) -> x509.CertificateBuilder:
    alternatives = x509.SubjectAlternativeName([_name(name) for name in names])
    return built.add_extension(alternatives, critical=False).add_extension(
        x509.ExtendedKeyUsage(usages), critical=False
    )


def _pem(signed: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return signed.public_bytes(serialization.Encoding.PEM) + secret


def is_host(text: str) -> bool:
    """Whether a certificate may be for it: an address, or a DNS name in ASCII, of which
    the first label may be `*`.
    """
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return len(text) <= HOST_NAME_MAX and bool(_HOST_NAME.fullmatch(text))
    return True


def _subject(text: str) -> x509.Name:
    short = text[:COMMON_NAME_MAX]
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, short)])


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
