"""The certificate authority: what signs now, what signed before and is still trusted, and when which is renewed.

A renewed authority signs at once. The former one stays trusted until no pod shows a certificate of it any more, and at
the longest until its own end.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from hedgegrid_operator.pki.pair import DamagedError, Extension, Pair, key_usage, new_key, signed

BUNDLE, CERTIFICATE, KEY = "ca.crt", "tls.crt", "tls.key"
"""Keys of the Secrets."""
_RENEW_BELOW = 0.2
"""Part of its life that an authority has left when it is renewed."""


@dataclass(frozen=True, slots=True, repr=False)
class Authority:
    """The present authority and the former ones."""

    present: Pair
    former: tuple[x509.Certificate, ...] = ()
    """Still trusted, newest first; none of them signs any more."""

    @property
    def id(self) -> str:
        """Which authority signs now."""
        return fingerprint(self.present.certificate)

    @property
    def bundle(self) -> bytes:
        """PEM of everything to trust, the present one first."""
        trusted = (self.present.certificate, *self.former)
        return b"".join(found.public_bytes(serialization.Encoding.PEM) for found in trusted)

    def data(self) -> dict[str, bytes]:
        """Content of its Secret."""
        return {
            BUNDLE: self.bundle,
            CERTIFICATE: self.present.certificate_pem,
            KEY: self.present.key_pem,
        }


def new_authority(now: datetime, lifetime: timedelta, former: tuple[x509.Certificate, ...] = ()) -> Authority:
    """A new authority; of the former ones those are trusted on that haven't ended."""
    key = new_key()
    # Every tool tells authorities apart by their names.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"hedgegrid-operator-{secrets.token_hex(4)}")])
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    extensions: list[Extension] = [(constraints, True), (key_usage(signs_certificates=True), True)]
    certificate = signed(key.public_key(), name, name, key, now, now + lifetime, extensions)
    return Authority(Pair(certificate, key), _lasting(former, now))


def read_authority(data: Mapping[str, bytes], now: datetime) -> Authority:
    """The authority in a Secret. Raises `DamagedError`, also for one that has ended."""
    present = Pair.read(data.get(CERTIFICATE, b""), data.get(KEY, b""))
    if not _is_authority(present.certificate):
        raise DamagedError("tls.crt is no certificate of an authority")
    if present.certificate.not_valid_after_utc <= now:
        raise DamagedError(f"tls.crt has ended at {present.certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")
    others = tuple(found for found in trusted_in(data) if found != present.certificate)
    return Authority(present, _lasting(others, now))


def trusted_in(data: Mapping[str, bytes]) -> tuple[x509.Certificate, ...]:
    """The authorities in a bundle; none where it can't be read."""
    try:
        found = x509.load_pem_x509_certificates(data.get(BUNDLE, b""))
    except ValueError:
        return ()
    return tuple(certificate for certificate in found if _is_authority(certificate))


def renewal_due(authority: Authority, now: datetime, lifetime: timedelta) -> bool:
    """Whether less than a fifth of an authority's life is left."""
    return authority.present.certificate.not_valid_after_utc - now < _RENEW_BELOW * lifetime


def renewed(authority: Authority, now: datetime, lifetime: timedelta) -> Authority:
    """A new one signs, the former ones are still trusted."""
    return new_authority(now, lifetime, (authority.present.certificate, *authority.former))


def also_trusting(authority: Authority, others: Authority, now: datetime) -> Authority:
    """An authority that took another one's place: what that trusted is trusted on."""
    known = {authority.present.certificate, *authority.former}
    more = tuple(found for found in (others.present.certificate, *others.former) if found not in known)
    return replace(authority, former=_lasting((*authority.former, *more), now))


def alone(authority: Authority) -> Authority:
    """Nothing needs the former ones any more."""
    return replace(authority, former=())


def fingerprint(certificate: x509.Certificate) -> str:
    """Of a certificate, SHA-256 in hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _lasting(found: tuple[x509.Certificate, ...], now: datetime) -> tuple[x509.Certificate, ...]:
    return tuple(certificate for certificate in found if certificate.not_valid_after_utc > now)
