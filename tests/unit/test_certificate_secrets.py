"""The Secrets of the authority and of the certificates: made, followed, put back, renewed, whoever else writes them."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hedgegrid_operator.apply import NameTakenError
from hedgegrid_operator.ca_secret import CaSecret
from hedgegrid_operator.desired.secret import data_of, encoded
from hedgegrid_operator.grid_secrets import GridSecrets
from hedgegrid_operator.kube import ApiError, ApiUnreachableError, Kube
from hedgegrid_operator.metrics import Metrics
from hedgegrid_operator.objects import GridRef, Json
from hedgegrid_operator.overlap import Overlap
from hedgegrid_operator.pki.authority import Authority, new_authority, read_authority, renewed
from hedgegrid_operator.pki.leaf import usable_leaf
from tests.unit.operator_parts import UID
from tests.unit.tls_parts import DAY, REF, YEAR

OWN, NAME = "hedgegrid-system", "hedgegrid-operator-ca"
TLS = f"hedgegrid-{REF.name}-tls"
LABEL = {"app.kubernetes.io/managed-by": "hedgegrid-operator"}


class Secrets:
    """The API server as far as Secrets go; a test may put something between a read and the write that follows."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Json] = {}
        self.reads: list[str] = []
        self.before_write: Callable[[], None] = lambda: None
        self._version = 0

    def put(self, namespace: str, name: str, data: dict[str, bytes], **more: Any) -> None:
        """As somebody else."""
        self._version += 1
        labels = more.pop("labels", LABEL)
        about = {"name": name, "namespace": namespace, "resourceVersion": str(self._version), "labels": labels}
        self.found[namespace, name] = {"type": "kubernetes.io/tls", **more, "metadata": about, "data": encoded(data)}

    def data(self, namespace: str = OWN, name: str = NAME) -> dict[str, bytes]:
        return data_of(self.found.get((namespace, name)))

    async def get(self, _kind: object, namespace: str, name: str) -> Json | None:
        self.reads.append(name)
        return copy.deepcopy(self.found.get((namespace, name)))

    async def create(self, _kind: object, namespace: str, manifest: Json) -> Json:
        self._interfere()
        name = manifest["metadata"]["name"]
        if (namespace, name) in self.found:
            raise ApiError(409, "AlreadyExists", "")
        self.put(namespace, name, data_of(manifest))
        return manifest

    async def merge(self, _kind: object, namespace: str, name: str, patch: Json) -> Json:
        self._interfere()
        held = self.found[namespace, name]
        if patch["metadata"]["resourceVersion"] != held["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "")
        self.put(namespace, name, data_of(held) | data_of(patch))
        return patch

    async def apply(self, _kind: object, manifest: Json) -> Json:
        self._interfere()
        about = manifest["metadata"]
        held = self.found.get((about["namespace"], about["name"]))
        # A version that isn't there is no conflict where nothing is there at all.
        if held and about["resourceVersion"] != held["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "")
        if held and held["type"] != manifest["type"]:
            raise ApiError(422, "Invalid", "field is immutable")
        self.put(about["namespace"], about["name"], data_of(manifest), labels=about["labels"], type=manifest["type"])
        return manifest

    async def delete(self, _kind: object, namespace: str, name: str, _uid: str = "") -> bool:
        return self.found.pop((namespace, name), None) is not None

    def _interfere(self) -> None:
        once, self.before_write = self.before_write, lambda: None
        once()


@pytest.fixture
def api() -> Secrets:
    return Secrets()


def ca_secret(api: Secrets, lifetime: timedelta = YEAR) -> CaSecret:
    return CaSecret(cast("Kube", api), OWN, NAME, lifetime)


async def begun(api: Secrets, lifetime: timedelta = YEAR) -> CaSecret:
    found = ca_secret(api, lifetime)
    await found.begin()
    return found


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedgegrid_operator.ca_secret._PAUSE", 0)


async def test_the_first_start_makes_it_and_the_next_one_reads_it(api: Secrets) -> None:
    first = await begun(api)
    assert sorted(api.data()) == ["ca.crt", "tls.crt", "tls.key"]
    assert (await begun(api)).authority.id == first.authority.id


async def test_of_two_that_make_it_at_once_both_use_the_one_that_was_first(api: Secrets) -> None:
    theirs = new_authority(now(), YEAR)
    api.before_write = lambda: api.put(OWN, NAME, theirs.data())
    assert (await begun(api)).authority.id == theirs.id


async def test_a_renewal_by_another_leader_at_the_same_moment_is_followed(api: Secrets) -> None:
    ca = await begun(api)
    theirs = renewed(ca.authority, now(), 10 * YEAR)
    slow = ca_secret(api, 10 * YEAR)  # for which it is to be renewed
    api.before_write = lambda: api.put(OWN, NAME, theirs.data())
    await slow.begin()
    assert slow.authority.id == theirs.id
    await ca.refresh()
    assert ca.authority.bundle == theirs.bundle


async def test_what_a_person_put_in_its_place_is_followed_and_the_former_one_trusted(api: Secrets) -> None:
    ca = await begun(api)
    old, theirs = ca.authority, new_authority(now(), YEAR)
    api.put(OWN, NAME, theirs.data())
    await ca.refresh()
    assert ca.authority.id == theirs.id
    assert ca.authority.former == (old.present.certificate,)
    assert read_authority(api.data(), now()).former == ca.authority.former, "another leader trusts it too"


async def test_a_deleted_one_is_made_anew_and_the_former_one_trusted(api: Secrets) -> None:
    ca = await begun(api)
    old = ca.authority
    api.found.clear()
    await ca.refresh()
    assert ca.authority.id != old.id
    assert ca.authority.former == (old.present.certificate,)
    assert api.data() == ca.authority.data()


async def test_a_damaged_one_is_put_back_by_who_has_it_in_memory(
    api: Secrets, caplog: pytest.LogCaptureFixture
) -> None:
    ca = await begun(api)
    good = api.data()
    api.put(OWN, NAME, good | {"tls.key": b"x"})
    await ca.refresh()
    assert api.data() == good
    assert f"Secret {OWN}/{NAME} is put back: tls.key is no private key" in caplog.text


async def test_a_damaged_one_of_ours_is_replaced_at_a_start_and_what_it_trusted_is_trusted(api: Secrets) -> None:
    old = (await begun(api)).authority
    api.put(OWN, NAME, api.data() | {"tls.key": b""})
    ca = await begun(api)
    assert ca.authority.id != old.id
    assert ca.authority.former == (old.present.certificate,)


async def test_a_secret_of_somebody_elses_is_never_overwritten(
    api: Secrets, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator waits until a person has done what the message says."""
    api.put(OWN, NAME, {"password": b"x"}, labels={})
    read = api.get

    async def get(*arguments: Any) -> Json | None:
        if len(api.reads) == 2:
            assert api.data() == {"password": b"x"}
            api.found.clear()
        return await read(*arguments)

    monkeypatch.setattr(api, "get", get)
    ca = await begun(api)
    assert "wasn't made by the operator: delete it, or name another one by --ca-secret" in caplog.text
    assert ca.authority.former == ()


async def test_without_the_api_server_what_is_held_stays(api: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    ca = await begun(api)
    held, context = ca.authority, ca.trust.context

    async def gone(*_: object) -> None:
        raise ApiUnreachableError("no answer")

    monkeypatch.setattr(api, "get", gone)
    await ca.refresh()
    assert ca.authority is held
    assert ca.trust.context is context


async def test_one_context_serves_while_authorities_come_and_another_one_when_one_goes(api: Secrets) -> None:
    """A connection is kept by its context: a renewal makes no handshake."""
    ca = await begun(api)
    context = ca.trust.context
    api.put(OWN, NAME, renewed(ca.authority, now(), YEAR).data())
    await ca.refresh()
    assert ca.trust.context is context
    assert len(context.get_ca_certs()) == 2
    await ca.drop_former()
    assert ca.trust.context is not context
    assert len(ca.trust.context.get_ca_certs()) == 1
    assert read_authority(api.data(), now()).former == ()


def grid_secrets(api: Secrets, ca: CaSecret, interval: float = 3600) -> GridSecrets:
    return GridSecrets(cast("Kube", api), ca, master_key=b"m", lifetime=DAY, interval=interval)


def is_good(api: Secrets, authority: Authority) -> bool:
    return usable_leaf(api.data(REF.namespace, TLS), REF, authority, now(), DAY) is not None


async def test_a_certificate_is_made_once_and_read_again_after_a_while_or_a_doubt(api: Secrets) -> None:
    ca = await begun(api)
    secrets = grid_secrets(api, ca)
    await secrets.ensure(REF)
    made = api.data(REF.namespace, TLS)
    assert is_good(api, ca.authority)
    api.reads.clear()
    await secrets.ensure(REF)
    assert api.reads == []
    secrets.doubt(REF.uid)
    await secrets.ensure(REF)
    assert sorted(api.reads) == [f"hedgegrid-{REF.name}-api", TLS]
    assert api.data(REF.namespace, TLS) == made


async def test_of_a_new_grid_nothing_is_read(api: Secrets) -> None:
    secrets = grid_secrets(api, await begun(api))
    api.reads.clear()
    await secrets.ensure(REF, new=True)
    assert api.reads == []
    made = api.data(REF.namespace, TLS)
    secrets.doubt(REF.uid)
    await secrets.ensure(REF, new=True)
    assert api.data(REF.namespace, TLS) == made, "it wasn't new after all"


@pytest.mark.parametrize("new", [True, False])
async def test_what_somebody_puts_there_between_read_and_write_is_never_overwritten(api: Secrets, new: bool) -> None:
    secrets = grid_secrets(api, await begun(api))
    api.before_write = lambda: api.put(REF.namespace, TLS, {"tls.crt": b"theirs"}, labels={})
    with pytest.raises(NameTakenError if new else ApiError):
        await secrets.ensure_certificate(REF, new=new)
    assert api.data(REF.namespace, TLS) == {"tls.crt": b"theirs"}


async def test_with_another_authority_every_certificate_is_made_anew_at_once(api: Secrets) -> None:
    ca = await begun(api)
    secrets = grid_secrets(api, ca)
    await secrets.ensure(REF)
    api.found.pop((OWN, NAME))
    await ca.refresh()
    await secrets.ensure(REF)
    assert is_good(api, ca.authority)
    assert api.data(REF.namespace, TLS)["ca.crt"] == ca.authority.bundle, "people trust both in the overlap"


async def test_a_secret_of_another_type_is_made_again(api: Secrets) -> None:
    ca = await begun(api)
    api.put(REF.namespace, TLS, {}, type="Opaque", labels={"hedgegrid.io/uid": UID})
    await grid_secrets(api, ca).ensure_certificate(REF)
    assert is_good(api, ca.authority)


async def test_a_secret_of_another_object_is_never_taken(api: Secrets) -> None:
    ca = await begun(api)
    api.put(REF.namespace, TLS, {"tls.crt": b"theirs"}, labels={})
    with pytest.raises(NameTakenError):
        await grid_secrets(api, ca).ensure_certificate(REF)
    assert api.data(REF.namespace, TLS) == {"tls.crt": b"theirs"}


class Pods:
    """The cache and the client: one pod for each grid, of which some have shown a new certificate."""

    def __init__(self, *uids: str) -> None:
        self.uids = uids
        self.moved: set[str] = set()
        self.asked: list[str] = []

    def grids(self) -> tuple[str, ...]:
        return self.uids

    def pod(self, uid: str) -> Any:
        return SimpleNamespace(uid=f"pod-{uid}", ip=uid)

    def stateful_set(self, uid: str) -> Any:
        return None

    async def shows(self, address: str, uid: str, _context: object) -> bool:
        self.asked.append(uid)
        return uid in self.moved


async def test_the_former_authority_goes_when_every_pod_has_shown_a_certificate_of_the_new_one(api: Secrets) -> None:
    ca, pods = await begun(api), Pods("a", "b")
    secrets = grid_secrets(api, ca)
    overlap = Overlap(cast("Any", pods), cast("Any", pods), ca, secrets)
    refs = [GridRef("default", uid, uid) for uid in pods.uids]
    for ref in refs:
        await secrets.ensure_certificate(ref)
    await overlap.settle()
    assert pods.asked == [], "there is no overlap"
    api.found.pop((OWN, NAME))
    await ca.refresh()
    await overlap.settle()
    assert pods.asked == [], "no Secret has a new certificate yet"
    for ref in refs:
        await secrets.ensure_certificate(ref)
    pods.moved = {"a"}
    await overlap.settle()
    assert (sorted(pods.asked), len(ca.authority.former)) == (["a", "b"], 1)
    pods.asked.clear()
    pods.moved = {"b"}
    await overlap.settle()
    assert pods.asked == ["b"], "one handshake is enough"
    assert ca.authority.former == ()
    assert read_authority(api.data(), now()).former == ()


async def test_what_ends_first_is_told_by_name_and_nothing_else(api: Secrets) -> None:
    ca, metrics = ca_secret(api), Metrics()
    secrets = grid_secrets(api, ca)
    pods = Pods("a", "b", "c")
    overlap = Overlap(cast("Any", pods), cast("Any", pods), ca, secrets)
    overlap.measure(metrics)
    assert b"certificate_expiry_seconds{" not in metrics.exposition()
    await ca.begin()
    for name in ("a", "b", "c"):
        await secrets.ensure_certificate(GridRef("default", name, name))
    overlap.measure(metrics)
    pods.uids = ("b", "c")  # of "a", a write that was under way when it went has left this behind
    overlap.measure(metrics)
    lines = [line for line in metrics.exposition().decode().splitlines() if "certificate_expiry_seconds{" in line]
    assert [line.rpartition(" ")[0].partition("{")[2] for line in lines] == [
        'certificate="ca",grid="",grid_namespace=""}',
        'certificate="pod",grid="b",grid_namespace="default"}',
    ]
