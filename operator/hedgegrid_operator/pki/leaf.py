"""The certificate of one grid's pod: whose it is stands in its names, and nowhere else."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from hedgegrid_operator.desired.naming import child_name, pod_name
from hedgegrid_operator.objects import GridRef
from hedgegrid_operator.pki.authority import BUNDLE, CERTIFICATE, KEY, Authority
from hedgegrid_operator.pki.pair import DamagedError, Extension, Pair, key_usage, new_key, signed

_RENEW_BELOW = 1 / 3
"""Part of its life that a certificate has left when it is renewed."""
_SERVER_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


def host_name(uid: str) -> str:
    """The name under which the operator knows the pod of a grid: no other grid's certificate has it."""
    return f"{uid}.hedgegrid.internal"


def names(grid: GridRef) -> x509.SubjectAlternativeName:
    """What the pod is called in the cluster, and its grid's uid; no address, which the next pod may get."""
    service = f"{child_name(grid.name)}.{grid.namespace}.svc"
    found = (f"{pod_name(grid.name)}.{service}", service, host_name(grid.uid))
    uid = x509.UniformResourceIdentifier(f"urn:uuid:{grid.uid}")
    return x509.SubjectAlternativeName([*map(x509.DNSName, found), uid])


def new_leaf(grid: GridRef, authority: Authority, now: datetime, lifetime: timedelta) -> Pair:
    """A new certificate; it ends with its authority at the latest."""
    key, issuer = new_key(), authority.present.certificate
    extensions: list[Extension] = [
        # RFC 5280, 4.2.1.6: critical where there is no subject.
        (names(grid), True),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage(signs_certificates=False), True),
        (_SERVER_ONLY, False),
    ]
    until = min(now + lifetime, issuer.not_valid_after_utc)
    certificate = signed(key.public_key(), x509.Name([]), issuer.subject, authority.present.key, now, until, extensions)
    return Pair(certificate, key)


def leaf_data(leaf: Pair, authority: Authority) -> dict[str, bytes]:
    """Content of the grid's Secret."""
    return {BUNDLE: authority.bundle, CERTIFICATE: leaf.certificate_pem, KEY: leaf.key_pem}


def usable_leaf(
    data: Mapping[str, bytes], grid: GridRef, authority: Authority, now: datetime, lifetime: timedelta
) -> Pair | None:
    """The pair in a grid's Secret, None where a new one has to be made: another grid's, another authority's,
    damaged, ended, or with less than a third of its life left.
    """
    try:
        leaf = Pair.read(data.get(CERTIFICATE, b""), data.get(KEY, b""))
        leaf.certificate.verify_directly_issued_by(authority.present.certificate)
        found = leaf.certificate.extensions
        fits = (
            found.get_extension_for_class(x509.SubjectAlternativeName).value == names(grid)
            and found.get_extension_for_class(x509.ExtendedKeyUsage).value == _SERVER_ONLY
        )
    except (DamagedError, InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return None
    left = leaf.certificate.not_valid_after_utc - now
    return leaf if fits and left >= _RENEW_BELOW * lifetime else None
