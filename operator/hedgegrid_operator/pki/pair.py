"""A certificate with its private key: ECDSA P-256, in PEM."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CLOCK_SLACK = timedelta(minutes=5)
"""A certificate is valid that much earlier than it is made: another machine's clock may be behind."""

type Extension = tuple[x509.ExtensionType, bool]
"""And whether it is critical."""


class DamagedError(ValueError):
    """A certificate or key can't be read, or they don't belong together; the message says which."""


@dataclass(frozen=True, slots=True, repr=False)
class Pair:
    """What a Secret of type kubernetes.io/tls holds."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def read(cls, certificate: bytes, key: bytes) -> Self:
        """Raises `DamagedError`."""
        found = _certificate(certificate)
        private = _key(key)
        if found.public_key() != private.public_key():
            raise DamagedError("tls.key isn't the key of tls.crt")
        return cls(found, private)

    @property
    def certificate_pem(self) -> bytes:
        """tls.crt."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """tls.key: PKCS #8, without a password."""
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def new_key() -> ec.EllipticCurvePrivateKey:
    """A new key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def signed(
    public: ec.EllipticCurvePublicKey,
    subject: x509.Name,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    since: datetime,
    until: datetime,
    extensions: list[Extension],
) -> x509.Certificate:
    """A certificate for a public key."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since - CLOCK_SLACK)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Signs certificates, or handshakes."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise DamagedError("tls.crt is no certificate") from error


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        found = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise DamagedError("tls.key is no private key") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise DamagedError("tls.key is no ECDSA key")
    return found
