"""Tokens of an outside OpenID Connect issuer, read as ours are.

Who they name is a user of ours: the id is made of issuer and subject, so that every
gateway knows it without asking. Nothing in a token chooses how it is checked (RFC
8725): the key's own kind says the algorithm, RS256, ES256 or EdDSA. Pure: no clock, no
network; gateway/identity/oidc_keys.py brings the keys.
"""

import re
import unicodedata
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import msgspec
from jwt.types import Options
from msgspec import Struct

from gateway.errors import IdentityError, InvalidToken, UnknownKey
from gateway.identity.jwks import Jwt, KeySet, Trusted, header_of
from runtime.settings import Settings
from schemas import forms, names, subjects
from schemas.accounts import Meet
from schemas.claims import LOAD_TEST_TTL_S, Claims, Instant
from schemas.trips import Role

LEEWAY_S = 60.0
"""Between the issuer's clock and ours; RFC 7519 section 4.1.4: some minutes at most."""
LIFE_MAX_S = float(LOAD_TEST_TTL_S)
"""A token is good so long after its issue at most: revocations are kept no longer."""
TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""Of `typ`, where there is one: ID tokens, and access tokens (RFC 9068)."""

_RANK = (Role.OPERATOR, Role.DRIVER, Role.RIDER)
_NOT_IN_NAMES = re.compile(f"[{forms.NOT_IN_NAMES}]")
_NOT_IN_USERNAMES = re.compile(r"[^\w@.+-]+")
_OPTIONS: Options = {
    # Against the caller's clock.
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "require": ["exp", "iat", "iss", "sub", "aud"],
}
_JWT = Jwt()


class Rules(Struct, frozen=True):
    """Whose tokens are taken, and what they mean. Claims are named by their name, or by
    a path with dots between (`realm_access.roles`).
    """

    issuer: str
    audiences: list[str]
    role_claim: str
    roles: Mapping[str, Role]
    """What the issuer calls them → ours; empty: they are called as ours."""
    default_role: Role | None
    """Of who has none; None: they are refused."""
    region_claim: str
    default_region: str
    username_prefix: str
    """Before every name, so that nobody is taken for a user of ours."""


def rules(settings: Settings) -> Rules | None:
    """None: tokens of ours alone are taken. The settings are not contradictory."""
    if not settings.oidc_issuer:
        return None
    default = settings.oidc_default_role
    return Rules(
        issuer=settings.oidc_issuer,
        audiences=[a.strip() for a in settings.oidc_audience.split(",") if a.strip()],
        role_claim=settings.oidc_role_claim,
        roles={theirs: Role(ours) for theirs, ours in settings.oidc_role_map().items()},
        default_role=None if default == "none" else Role(default),
        region_claim=settings.oidc_region_claim,
        default_region=settings.region,
        username_prefix=settings.oidc_username_prefix,
    )


class Outside:
    """`unknown`: called when a token names a key that is not here; `met`: each time a
    token is read for the first time.
    """

    def __init__(
        self,
        rules: Rules,
        unknown: Callable[[], None] = lambda: None,
        met: Callable[[Meet], None] = lambda _: None,
    ) -> None:
        self.rules = rules
        self.unknown = unknown
        self.met = met
        self.lost: Callable[[], None] = lambda: None
        """Called when a key is no longer trusted."""
        self._keys: KeySet | None = None

    def trust(self, jwks: bytes) -> list[str | None]:
        """These keys from now on; returns their kids. Others than those for signatures
        we take are let pass. A set without one of those is a bad answer: an issuer that
        wants no token to be good has other ways to say so than to have no keys.

        Raises:
            InvalidToken: not a JWK Set, or there is no such key in it; all stays.
        """
        try:
            keys = KeySet(jwks)
        except IdentityError as error:
            raise InvalidToken(f"the issuer's keys: {error}") from error
        if self._keys is not None and keys.lacks(self._keys):
            self.lost()
        self._keys = keys
        return [key.kid for key in keys.keys]

    def claims_it(self, token: str) -> bool:
        """Whether the token says that it is this issuer's; nothing is checked."""
        try:
            body = jwt.utils.base64url_decode(token.split(".")[1])
            said = msgspec.json.decode(body, type=_Issued)
        except (ValueError, IndexError, RecursionError):
            return False
        return said.iss == self.rules.issuer

    def read(self, token: str, now_s: float) -> Claims:
        """Who the token's bearer is. `exp` is the caller's to hold against the clock.

        Raises:
            InvalidToken: it isn't good; UnknownKey: by a key that is not here.
        """
        try:
            keys = self._keys_of(header_of(token))
            said = self._decode(token, keys)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise InvalidToken(f"the token is not good: {error}") from error
        return self._claims(said, token, now_s)

    def _keys_of(self, header: dict[str, Any]) -> list[Trusted]:
        kind = header.get("typ", "JWT")
        if "crit" in header or not isinstance(kind, str) or kind.lower() not in TYPES:
            raise InvalidToken("the token's header demands what nobody here knows")
        kid = header.get("kid")
        found = self._keys.named(kid or None) if self._keys else []
        if not found:
            self.unknown()
            raise UnknownKey("the token's kid names no key that the issuer has told of")
        return found

    def _decode(self, token: str, keys: list[Trusted]) -> dict[str, Any]:
        """What it says, if one of these keys signed it, each by its own algorithm.

        Raises:
            jwt.PyJWTError: none did, or it says what can't be taken.
        """
        wrong: jwt.PyJWTError = jwt.InvalidTokenError("there is no key")
        for key in keys:
            try:
                return _JWT.decode(
                    token,
                    key.jwk,
                    algorithms=[key.algorithm],
                    issuer=self.rules.issuer,
                    audience=self.rules.audiences,
                    options=_OPTIONS,
                )
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
                wrong = error
        raise wrong

    def _claims(self, said: dict[str, Any], token: str, now_s: float) -> Claims:
        issued_s, expires_s, from_s = (
            _number(said, name) for name in ("iat", "exp", "nbf")
        )
        if max(issued_s, from_s) > now_s + LEEWAY_S:
            raise InvalidToken("the token is not good yet")
        # A clock ahead of ours must not carry a token past a revocation.
        issued_s = min(issued_s, now_s)
        subject = said["sub"]
        if not isinstance(subject, str) or not subject or "\0" in subject:
            raise InvalidToken("the token's sub is empty, or can't be written down")
        made = Claims(
            sub=self._id("user", subject),
            username=self._username(said, subject),
            first_name=_name(said, "given_name") or _name(said, "name"),
            last_name=_name(said, "family_name"),
            role=self._role(said),
            region=self._region(said),
            sid=self._id("session", str(said.get("sid") or said.get("jti") or token)),
            iat=issued_s,
            exp=min(expires_s + LEEWAY_S, issued_s + LIFE_MAX_S),
            iss=self.rules.issuer,
        )
        if made.exp > now_s:
            self.met(_meet(made, subject))
        return made

    def _id(self, kind: str, name: str) -> str:
        text = f"{self.rules.issuer}\n{kind}\n{name}"
        return str(uuid.uuid5(uuid.NAMESPACE_URL, text))

    def _username(self, said: dict[str, Any], subject: str) -> str:
        """As a username of ours may be; else made of the id, so that nobody is taken
        for somebody else.
        """
        told = _name(said, "preferred_username") or _name(said, "email") or subject
        # Composed, for a mark of its own is none of the characters.
        composed = unicodedata.normalize("NFC", told)
        plain = _NOT_IN_USERNAMES.sub("_", composed)
        prefix = self.rules.username_prefix
        try:
            return prefix + names.shown(plain[: names.CHARS_MAX - len(prefix)])
        except names.UsernameError:
            return prefix + self._id("user", subject)

    def _role(self, said: dict[str, Any]) -> Role:
        """The mightiest of those the token has."""
        told = _claim(said, self.rules.role_claim)
        names = [told] if isinstance(told, str) else told
        roles = self.rules.roles or {role.value: role for role in Role}
        has = {
            roles.get(name)
            for name in (names if isinstance(names, list) else [])
            if isinstance(name, str)
        }
        for role in _RANK:
            if role in has:
                return role
        if self.rules.default_role is None:
            raise InvalidToken("the token has no role that is known here")
        return self.rules.default_role

    def _region(self, said: dict[str, Any]) -> str:
        told = _claim(said, self.rules.region_claim)
        if told is None:
            return self.rules.default_region
        try:
            return subjects.token(told)
        except (subjects.SubjectError, TypeError) as error:
            raise InvalidToken("the token's region can't be one") from error


class _Issued(Struct):
    iss: str


def _number(said: dict[str, Any], name: str) -> float:
    try:
        return msgspec.convert(said.get(name, 0), Instant)
    except msgspec.ValidationError as error:
        raise InvalidToken(f"the token's {name} is no number: {error}") from error


def _name(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str):
        return ""
    return _NOT_IN_NAMES.sub("", value)[: names.CHARS_MAX]


def _claim(said: dict[str, Any], path: str) -> Any:
    if path in said:  # a name may be a URL, which has dots
        return said[path]
    value: Any = said
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _meet(made: Claims, subject: str) -> Meet:
    return Meet(made.user(), made.region, made.iss, subject)
