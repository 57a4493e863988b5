"""TLS between operator and pod on the real API server: who is trusted, what is renewed, that a kill gets through."""

import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable

import pytest
from cryptography import x509

from hedgegrid_operator.objects import GridRef
from tests import pod_api
from tests.kube import Cluster, wait_until
from tests.kube.installation import NAMESPACE
from tests.operator.grid_parts import Field, Grid, Json, condition, kill_of
from tests.unit.tls_parts import authority, secret_of

CA = "hedgegrid-operator-ca"
BOTH = "flattenBoth"
LONGER = {"HEDGEGRID_OPERATOR_CA_LIFETIME": str(100 * 365 * 86400)}
"""By this setting an authority with ten years left has to be renewed."""


def data_of(cluster: Cluster, name: str, namespace: str) -> dict[str, bytes]:
    secret = cluster.api.get("v1", "Secret", name, namespace)
    return {key: b64decode(value) for key, value in (secret or {}).get("data", {}).items()}


def bundle(field: Field) -> list[x509.Certificate]:
    """Authorities in the operator's Secret, the present one first."""
    found = data_of(field.cluster, CA, NAMESPACE).get("ca.crt")
    return x509.load_pem_x509_certificates(found) if found else []


def tls(grid: Grid) -> dict[str, bytes]:
    """Content of its Secret, empty where there is none."""
    return data_of(grid.cluster, f"{grid.child}-tls", grid.namespace)


def in_secret(grid: Grid) -> x509.Certificate | None:
    """The pod's certificate, as it stands in the Secret; None where it can't be read."""
    try:
        return x509.load_pem_x509_certificate(tls(grid).get("tls.crt", b""))
    except ValueError:
        return None


def shown(grid: Grid) -> x509.Certificate:
    """The certificate that the pod shows to a new connection, whoever signed it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = grid.pod.address
    assert address is not None
    connection = pod_api.Connection(address, "anything", context, 10)
    connection.connect()
    found = connection.sock.getpeercert(binary_form=True)
    connection.close()
    assert found is not None
    return x509.load_der_x509_certificate(found)


def is_by(certificate: x509.Certificate | None, issuer: x509.Certificate) -> bool:
    return certificate is not None and certificate.issuer == issuer.subject


def life(grid: Grid) -> tuple[str | None, str, int]:
    """Changes with every restart of the pod or of its process."""
    pod = grid.pod.get()
    assert pod is not None
    return (
        grid.pod.uid,
        grid.call("GET", "/control")[1]["bootID"],
        pod["status"]["containerStatuses"][0]["restartCount"],
    )


def is_flat(grid: Grid) -> Json:
    found = grid.wait(lambda seen: kill_of(seen).get("state") == "Flat", "flat", timeout=90)
    assert grid.venue().flat
    return kill_of(found["status"])


def is_reached(grid: Grid) -> None:
    grid.wait_condition("ControlReachable", "Contacted", "True")


def test_the_pod_is_called_by_its_names_and_never_by_its_address(field: Field) -> None:
    grid = field.running()
    secret = field.cluster.api.get("v1", "Secret", f"{grid.child}-tls", field.namespace)
    assert secret is not None
    assert secret["type"] == "kubernetes.io/tls"
    assert sorted(secret["data"]) == ["ca.crt", "tls.crt", "tls.key"]
    assert "ownerReferences" not in secret["metadata"]
    address, context = grid.pod.address, pod_api.trusting(grid.authorities())
    assert address is not None
    service = f"{grid.child}.{field.namespace}.svc"
    for name in (f"{grid.child}-0.{service}", service, f"{grid.uid}.hedgegrid.internal"):
        assert pod_api.call(pod_api.Connection(address, name, context, 10), "GET", "/readyz")[0] == 200
    for name in (address, "hedgegrid-other.default.svc", "0f0e5b0e-0000-4000-8000-000000000001.hedgegrid.internal"):
        with pytest.raises(ssl.SSLCertVerificationError):
            pod_api.call(pod_api.Connection(address, name, context, 10), "GET", "/readyz")
    names = shown(grid).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:uuid:{grid.uid}"]
    assert names.get_values_for_type(x509.IPAddress) == []


def test_what_ends_first_is_told_in_two_series(field: Field) -> None:
    grid, other = field.running(), field.create()
    name = "hedgegrid_operator_certificate_expiry_seconds"
    wait_until(lambda: in_secret(other), 30, "the other grid's certificate")
    ends = {there.name: leaf.not_valid_after_utc for there in field.grids if (leaf := in_secret(there))}
    assert {grid.name, other.name} <= set(ends)
    first = min(ends, key=ends.__getitem__)
    series = {
        f'{{certificate="pod",grid="{first}",grid_namespace="{field.namespace}"}}',
        '{certificate="ca",grid="",grid_namespace=""}',
    }
    found = wait_until(lambda: both if set(both := field.metric(name)) == series else None, 20, f"{series}")
    pod, ca = sorted(found.values())
    assert 89 * 86400 < pod < 90 * 86400
    assert 3649 * 86400 < ca <= 3650 * 86400


def _delete(field: Field, grid: Grid) -> None:
    field.cluster.api.delete("v1", "Secret", f"{grid.child}-tls", field.namespace)


def _damage(field: Field, grid: Grid) -> None:
    half = {"tls.crt": b64encode(tls(grid)["tls.crt"][:200]).decode()}
    field.cluster.api.patch("v1", "Secret", f"{grid.child}-tls", field.namespace, {"data": half})


def _immutable(field: Field, grid: Grid) -> None:
    """And of another type, so that it can't be mended."""
    about = {"name": f"{grid.child}-tls", "namespace": field.namespace, "labels": {"hedgegrid.io/uid": grid.uid}}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": about, "immutable": True, "type": "Opaque"}
    field.cluster.api.delete("v1", "Secret", about["name"], field.namespace)
    field.cluster.api.create(manifest)


@pytest.mark.parametrize("harm", [_delete, _damage, _immutable])
def test_a_certificate_that_is_deleted_or_damaged_is_put_back(
    field: Field, harm: Callable[[Field, Grid], None]
) -> None:
    grid = field.with_positions()
    before, old = life(grid), in_secret(grid)
    field.operator.kill()
    harm(field, grid)
    field.start()

    def good() -> bool:
        return set(tls(grid)) == {"ca.crt", "tls.crt", "tls.key"} and in_secret(grid) not in {None, old}

    wait_until(good, 30, "a new certificate")
    wait_until(lambda: shown(grid) == in_secret(grid), 30, "the pod to show it")
    is_reached(grid)
    assert life(grid) == before, "the pod was restarted"


def test_a_paused_grids_certificate_is_kept_valid_for_its_kill(field: Field) -> None:
    """The annotation stops apply, never a kill: and that needs a certificate."""
    grid = field.with_positions()
    grid.annotate(reconcile="disabled")
    grid.wait(lambda seen: condition(seen, "Paused"), "the pause")
    field.cluster.api.delete("v1", "Secret", CA, NAMESPACE)
    wait_until(
        lambda: (found := bundle(field)) and is_by(in_secret(grid), found[0]), 40, "a certificate by the new one"
    )
    wait_until(lambda: len(bundle(field)) == 1, 60, "the old one to go")
    grid.patch(killSwitch=BOTH)
    is_flat(grid)
    grid.annotate(reconcile=None)


def test_an_authority_is_renewed_with_an_overlap_while_a_grid_trades(field: Field) -> None:
    """Old and new are trusted, certificates move to the new one, the old one goes; no restart, no lost kill."""
    grid = field.with_positions()
    before, old = life(grid), bundle(field)[0]
    assert is_by(shown(grid), old)
    field.operator.stop()
    renewing = field.new_operator("renewing", **LONGER)
    renewing.start()
    renewing.wait_leading()
    wait_until(lambda: bundle(field)[0] != old, 30, "a new authority")
    wait_until(lambda: len(bundle(field)) == 1, 60, "the old one to go")
    new = bundle(field)[0]
    assert is_by(in_secret(grid), new)
    assert is_by(shown(grid), new)
    wait_until(lambda: x509.load_pem_x509_certificates(tls(grid)["ca.crt"]) == [new], 30, "ca.crt without the old one")
    told = [line for line in renewing.events() if "certificate authorit" in line["message"]]
    assert [line["former"] for line in told if "written" in line["message"]] == [1, 0]
    is_reached(grid)
    grid.patch(killSwitch=BOTH)
    is_flat(grid)
    assert life(grid) == before, "the pod was restarted"
    unreachable = [event for event in grid.events("PodUnreachable") if "TLSFailed" in event["note"]]
    assert unreachable == []


def test_a_deleted_authority_is_made_anew_and_the_kill_of_that_moment_gets_through(field: Field) -> None:
    grid = field.with_positions()
    before, old, process = life(grid), bundle(field)[0], field.operator.process.pid
    field.cluster.api.delete("v1", "Secret", CA, NAMESPACE)
    grid.patch(killSwitch=BOTH)
    is_flat(grid)
    wait_until(lambda: (found := bundle(field)) and found[0] != old, 30, "a new authority")
    wait_until(lambda: len(bundle(field)) == 1, 60, "the old one to go")
    wait_until(lambda: is_by(shown(grid), bundle(field)[0]), 30, "the pod to show a new certificate")
    grid.patch(killSwitch="none")
    grid.wait(lambda seen: condition(seen, "Ready").get("reason") == "Trading", "another start")
    is_reached(grid)
    assert life(grid) == before, "the pod was restarted"
    assert field.operator.process.pid == process
    assert field.operator.process.running


def test_another_operator_goes_on_with_the_same_authority_and_certificates(field: Field) -> None:
    grid = field.running()
    before = bundle(field), tls(grid)["tls.crt"]
    field.operator.kill()
    field.start()
    is_reached(grid)
    fresh = field.create()
    wait_until(lambda: is_by(in_secret(fresh), before[0][0]), 30, "a certificate by the same authority")
    assert (bundle(field), tls(grid)["tls.crt"]) == before


def test_a_pod_with_a_foreign_certificate_is_told_and_gets_its_kill_when_it_has_its_own(field: Field) -> None:
    """Its Secret is taken for another's, so it isn't put back: what the pod shows stays foreign."""
    grid = field.with_positions()
    api, name = field.cluster.api, f"{grid.child}-tls"
    field.operator.kill()
    ref = GridRef(field.namespace, grid.name, grid.uid)
    foreign = {key: b64encode(value).decode() for key, value in secret_of(ref, authority("another")).items()}
    api.patch("v1", "Secret", name, field.namespace, {"data": foreign})
    api.patch("v1", "Secret", name, field.namespace, {"metadata": {"labels": {"hedgegrid.io/uid": None}}})
    wait_until(lambda: is_by(shown(grid), authority("another").present.certificate), 30, "the foreign certificate")
    field.start()
    told = grid.wait_condition("ControlReachable", "TLSFailed", "False")
    assert "no key was sent, its certificate isn't of the operator's authority" in told["message"]
    assert "TLSFailed" in grid.wait_event("PodUnreachable")
    grid.patch(killSwitch=BOTH)
    waiting = grid.wait(lambda seen: kill_of(seen).get("state") == "Requested", "the kill to wait")
    assert condition(waiting["status"], "ControlReachable")["reason"] == "TLSFailed"
    api.patch("v1", "Secret", name, field.namespace, {"metadata": {"labels": {"hedgegrid.io/uid": grid.uid}}})
    is_reached(grid)
    is_flat(grid)
