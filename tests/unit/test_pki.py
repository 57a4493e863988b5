"""The authority and the pods' certificates: what they say, how long they last, and when which is made anew."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgegrid_operator.objects import GridRef
from hedgegrid_operator.pki.authority import (
    Authority,
    alone,
    also_trusting,
    new_authority,
    read_authority,
    renewal_due,
    renewed,
    trusted_in,
)
from hedgegrid_operator.pki.leaf import leaf_data, new_leaf, usable_leaf
from hedgegrid_operator.pki.pair import DamagedError
from tests.unit.operator_parts import NOW, UID

REF = GridRef("default", "btc", UID)
LIFE, LEAF_LIFE = timedelta(days=3650), timedelta(days=90)
AUTHORITY = new_authority(NOW, LIFE)
OTHER = new_authority(NOW, LIFE)

type Data = dict[str, bytes]


def secret(ref: GridRef = REF, authority: Authority = AUTHORITY, at: datetime = NOW) -> Data:
    return leaf_data(new_leaf(ref, authority, at, LEAF_LIFE), authority)


def usable(data: Data, ref: GridRef = REF, authority: Authority = AUTHORITY, now: datetime = NOW) -> bool:
    return usable_leaf(data, ref, authority, now, LEAF_LIFE) is not None


def test_a_pods_certificate_names_its_names_and_its_grids_uid_and_nothing_else() -> None:
    certificate = new_leaf(REF, AUTHORITY, NOW, LEAF_LIFE).certificate
    assert list(certificate.subject) == []
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert found.critical, "RFC 5280 asks for it where the subject is empty"
    assert found.value.get_values_for_type(x509.DNSName) == [
        "hedgegrid-btc-0.hedgegrid-btc.default.svc",
        "hedgegrid-btc.default.svc",
        f"{UID}.hedgegrid.internal",
    ]
    assert found.value.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:uuid:{UID}"]
    assert len(list(found.value)) == 4, "no address, which the next pod may get"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert isinstance(key := certificate.public_key(), ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert certificate.not_valid_after_utc == NOW + LEAF_LIFE
    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5), "another clock may be behind"


def test_an_authority_signs_certificates_only_and_no_other_authority() -> None:
    found = AUTHORITY.present.certificate
    constraints = found.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)
    assert found.subject != OTHER.present.certificate.subject, "two are told apart by their names"


def test_an_authority_comes_back_from_its_secret_with_all_that_it_trusts() -> None:
    both = also_trusting(AUTHORITY, OTHER, NOW)
    read = read_authority(both.data(), NOW)
    assert (read.id, read.bundle) == (both.id, both.bundle)
    assert read.former == (OTHER.present.certificate,)
    assert read_authority(alone(both).data(), NOW).former == ()


def _rsa() -> bytes:
    form = serialization.PrivateFormat.PKCS8
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (dict[str, bytes], "tls.crt is no certificate"),
        (lambda: {"tls.crt": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "tls.crt is no"),
        (lambda: AUTHORITY.data() | {"tls.key": b"x"}, "tls.key is no private key"),
        (lambda: AUTHORITY.data() | {"tls.key": OTHER.present.key_pem}, "tls.key isn't the key of tls.crt"),
        (lambda: AUTHORITY.data() | {"tls.key": _rsa()}, "tls.key is no ECDSA key"),
        (secret, "tls.crt is no certificate of an authority"),
        (lambda: new_authority(NOW - LIFE, LIFE).data(), "tls.crt has ended at 2026-03-01 12:00:00 UTC"),
    ],
)
def test_a_secret_that_holds_no_authority_says_what_is_wrong(change: Callable[[], Data], told: str) -> None:
    with pytest.raises(DamagedError, match=told):
        read_authority(change(), NOW)


def test_of_a_damaged_secret_what_was_trusted_is_still_readable() -> None:
    damaged = AUTHORITY.data() | {"tls.crt": b"", "tls.key": b""}
    assert trusted_in(damaged) == (AUTHORITY.present.certificate,)
    assert trusted_in({"ca.crt": b"\xff"}) == ()
    assert trusted_in(secret() | {"ca.crt": secret()["tls.crt"]}) == (), "a pod's certificate vouches for nobody"


def test_an_authority_is_renewed_with_a_fifth_of_its_life_left() -> None:
    assert not renewal_due(AUTHORITY, NOW + 0.8 * LIFE, LIFE)
    assert renewal_due(AUTHORITY, NOW + 0.8 * LIFE + timedelta(seconds=1), LIFE)


def test_the_overlap_old_and_new_are_trusted_and_the_new_one_signs() -> None:
    later = NOW + 0.9 * LIFE
    new = renewed(AUTHORITY, later, LIFE)
    assert new.id != AUTHORITY.id
    assert new.former == (AUTHORITY.present.certificate,)
    assert new.bundle.startswith(new.present.certificate_pem)
    leaf = new_leaf(REF, new, later, LEAF_LIFE).certificate
    leaf.verify_directly_issued_by(new.present.certificate)
    assert alone(new).bundle == new.present.certificate_pem
    # One that ended by itself is gone without anybody's doing.
    assert read_authority(new.data(), NOW + LIFE).former == ()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (dict[str, bytes], "there is none"),
        (lambda: secret() | {"tls.key": b""}, "damaged"),
        (lambda: secret() | {"tls.key": secret()["tls.key"]}, "another one's key"),
        (lambda: secret(authority=OTHER), "another authority's"),
        (lambda: secret(GridRef("default", "btc", UID.replace("1", "2"))), "another grid's uid"),
        (lambda: secret(GridRef("other", "btc", UID)), "another namespace's"),
        (lambda: secret(at=NOW - LEAF_LIFE), "ended"),
        (lambda: secret(at=NOW - 0.7 * LEAF_LIFE), "less than a third of its life left"),
        (lambda: secret() | {"tls.crt": AUTHORITY.present.certificate_pem, "tls.key": AUTHORITY.present.key_pem}, "CA"),
    ],
)
def test_a_certificate_that_isnt_right_is_made_anew(data: Callable[[], Data], why: str) -> None:
    assert not usable(data()), why


def test_a_good_certificate_is_kept_until_a_third_of_its_life_is_left() -> None:
    found = secret()
    assert usable(found)
    assert usable(found, now=NOW + 0.66 * LEAF_LIFE)
    assert not usable(found, now=NOW + 0.67 * LEAF_LIFE)
    # The authority was renewed meanwhile.
    assert not usable(found, authority=renewed(AUTHORITY, NOW, LIFE))


def test_a_certificate_ends_with_its_authority_at_the_latest() -> None:
    short = new_authority(NOW, timedelta(days=1))
    assert new_leaf(REF, short, NOW, LEAF_LIFE).certificate.not_valid_after_utc == NOW + timedelta(days=1)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=15))
def test_whatever_time_goes_by_between_two_looks_certificate_and_authority_are_good_after_each(days: list[int]) -> None:
    """Ten years of looks: what was trusted before is trusted on while it lasts, what is issued is trusted."""
    now, life, leaf_life = NOW, timedelta(days=1000), timedelta(days=200)
    held = new_authority(now, life)
    data = leaf_data(new_leaf(REF, held, now, leaf_life), held)
    for step in days:
        now += timedelta(days=step)
        before = held
        try:
            held = read_authority(held.data(), now)
        except DamagedError:
            held = new_authority(now, life, trusted_in(held.data()))
        if renewal_due(held, now, life):
            held = renewed(held, now, life)
        leaf = usable_leaf(data, REF, held, now, leaf_life) or new_leaf(REF, held, now, leaf_life)
        data = leaf_data(leaf, held)
        assert usable_leaf(data, REF, held, now, leaf_life), "what was made now is good, or it were made for ever"
        lasting = [found for found in (before.present.certificate, *before.former) if found.not_valid_after_utc > now]
        assert {held.present.certificate, *held.former} >= {*lasting}
        assert held.present.certificate.not_valid_after_utc - now >= 0.2 * life
