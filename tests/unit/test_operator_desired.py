"""The children that a spec asks for, and what is kept of what is there."""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from hedgegrid_api.v1alpha1 import HedgeGridSpec
from hedgegrid_operator.control.client import operator_key
from hedgegrid_operator.desired import naming
from hedgegrid_operator.desired.build import Desired, desired
from hedgegrid_operator.desired.config_map import files
from hedgegrid_operator.desired.secret import api_secret, completed, data_of, tls_secret
from hedgegrid_operator.desired.stateful_set import ImageDefaults
from hedgegrid_operator.objects import CONFIG_MAP, SERVICE, GridRef
from tests.unit.operator_parts import SPEC, UID

REF = GridRef("default", "btc", UID)
DEFAULTS = ImageDefaults("registry/strategy", "1.2.3", "IfNotPresent")


def built(**spec: Any) -> Desired:
    return built_with(DEFAULTS, **spec)


def built_with(defaults: ImageDefaults, **spec: Any) -> Desired:
    parsed = HedgeGridSpec.model_validate({**SPEC, **spec})
    return desired(REF, parsed, files(parsed), defaults)


def pod_of(found: Desired) -> dict[str, Any]:
    return found.stateful_set["spec"]["template"]["spec"]


def container(found: Desired) -> dict[str, Any]:
    return pod_of(found)["containers"][0]


@pytest.mark.parametrize(
    "control",
    [
        {"throttle": 0.3},
        {"killSwitch": "flattenBoth"},
        {"rearm": 4},
        {"escalation": {"action": "RestartPod", "afterSeconds": 5}},
        {"deletion": {"timeoutSeconds": 5}},
    ],
)
def test_controls_are_no_part_of_the_pod_or_its_configuration(control: dict[str, Any]) -> None:
    assert built(**control) == built()


@pytest.mark.parametrize(
    "change",
    [
        {"grid": {**SPEC["grid"], "stepBps": 12}},
        {"exits": {"takeProfitSteps": 3}},
        {"execution": {"barSeconds": 5}},
        {"sim": {"seed": 7}},
    ],
)
def test_configuration_changes_its_hash_the_map_name_and_the_revision(change: dict[str, Any]) -> None:
    before, after = built(), built(**change)
    assert before.config_hash != after.config_hash
    assert before.revision != after.revision
    name = naming.config_map_name("btc", after.config_hash)
    config_map = next(manifest for kind, manifest in after.others if kind is CONFIG_MAP)
    assert config_map["metadata"]["name"] == name
    volumes = after.stateful_set["spec"]["template"]["spec"]["volumes"]
    assert {"name": "hedgegrid-config", "configMap": {"name": name}} in volumes


@pytest.mark.parametrize(
    "change",
    [{"image": {"tag": "2"}}, {"pod": {"env": [{"name": "A", "value": "b"}]}}, {"pod": {"labels": {"team": "x"}}}],
)
def test_the_pod_changes_the_revision_and_not_the_configuration(change: dict[str, Any]) -> None:
    before, after = built(), built(**change)
    assert before.config_hash == after.config_hash
    assert before.revision != after.revision


def test_the_files_are_what_the_pod_reads() -> None:
    config_map = next(manifest for kind, manifest in built().others if kind is CONFIG_MAP)
    assert config_map["immutable"] is True
    strategy = yaml.safe_load(config_map["data"]["strategy.yaml"])
    venue = yaml.safe_load(config_map["data"]["venue.yaml"])
    assert strategy["grid"]["baseQty"] == "0.002"
    assert venue["instrument"] == "BTCUSDT-PERP.BINANCE"
    assert "killSwitch" not in json.dumps([strategy, venue])


def test_the_pod_runs_restricted_and_is_replaced_only_by_us() -> None:
    spec = built().stateful_set["spec"]
    assert spec["updateStrategy"] == {"type": "OnDelete"}
    assert spec["replicas"] == 1
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert spec["selector"] == {"matchLabels": {"hedgegrid.io/uid": UID}}
    pod = spec["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["terminationGracePeriodSeconds"] == 120
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(built())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_pod_may_read_its_own_object_and_nothing_else() -> None:
    found = {kind.kind: manifest for kind, manifest in built().others}
    assert found["Role"]["rules"] == [
        {
            "apiGroups": ["hedgegrid.io"],
            "resources": ["hedgegrids"],
            "resourceNames": ["btc"],
            "verbs": ["get", "list", "watch"],
        }
    ]
    binding = found["RoleBinding"]
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("Role", found["Role"]["metadata"]["name"])
    account = found["ServiceAccount"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": "default"}
    ]
    assert account["automountServiceAccountToken"] is False


def test_the_token_expires_and_is_mounted_read_only_where_the_pod_looks_for_it() -> None:
    pod = built().stateful_set["spec"]["template"]["spec"]
    volume = next(item for item in pod["volumes"] if item["name"] == "hedgegrid-cluster")
    token, ca, namespace = volume["projected"]["sources"]
    assert token == {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
    # A ConfigMap that anybody may delete must not keep a pod from starting.
    assert ca["configMap"]["optional"] is True
    assert [item["path"] for item in ca["configMap"]["items"]] == ["ca.crt"]
    assert [item["path"] for item in namespace["downwardAPI"]["items"]] == ["namespace"]
    inside = container(built())
    mount = next(item for item in inside["volumeMounts"] if item["name"] == "hedgegrid-cluster")
    assert mount["readOnly"] is True
    assert {"name": "HEDGEGRID_CLUSTER_DIR", "value": mount["mountPath"]} in inside["env"]


def test_a_pod_keeps_what_is_ours_whatever_the_spec_adds() -> None:
    # The schema refuses these names; an object stored before it did so must not get through either.
    found = HedgeGridSpec.model_construct(**dict(HedgeGridSpec.model_validate(SPEC)))
    pod = found.pod.model_copy(
        update={
            "env": [{"name": "HEDGEGRID_UID", "value": "another"}, {"name": "MINE", "value": "1"}],
            "volumes": [{"name": "hedgegrid-api", "emptyDir": {}}, {"name": "bars", "emptyDir": {}}],
            "volume_mounts": [{"name": "bars", "mountPath": "/etc/hedgegrid/api"}, {"name": "bars", "mountPath": "/b"}],
            "labels": {"hedgegrid.io/uid": "another", "team": "x"},
        }
    )
    template = desired(REF, found.model_copy(update={"pod": pod}), files(found), DEFAULTS).stateful_set["spec"][
        "template"
    ]
    inside = template["spec"]["containers"][0]
    assert template["metadata"]["labels"]["hedgegrid.io/uid"] == UID
    assert template["metadata"]["labels"]["team"] == "x"
    assert [item["value"] for item in inside["env"] if item["name"] == "HEDGEGRID_UID"] == [UID]
    assert {"name": "MINE", "value": "1"} in inside["env"]
    assert [item["name"] for item in inside["volumeMounts"] if item["mountPath"] == "/etc/hedgegrid/api"] == [
        "hedgegrid-api"
    ]
    assert {"name": "bars", "mountPath": "/b"} in inside["volumeMounts"]
    keys = next(item for item in template["spec"]["volumes"] if item["name"] == "hedgegrid-api")
    assert "secret" in keys


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "registry/strategy:1.2.3"),
        ({"tag": "9"}, "registry/strategy:9"),
        ({"repository": "mine/strategy"}, "mine/strategy:1.2.3"),
        ({"tag": "9", "digest": "sha256:" + "a" * 64}, "registry/strategy@sha256:" + "a" * 64),
    ],
)
def test_what_the_spec_leaves_open_of_the_image_comes_from_the_settings(image: dict[str, str], reference: str) -> None:
    assert container(built(image=image))["image"] == reference


RELEASED = replace(DEFAULTS, digest="sha256:ab", pull_secrets=("mirror",))


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "registry/strategy@sha256:ab"),
        ({"tag": "9"}, "registry/strategy:9"),
        ({"repository": "other/strategy"}, "other/strategy:1.2.3"),
        ({"digest": f"sha256:{'0' * 64}"}, f"registry/strategy@sha256:{'0' * 64}"),
    ],
)
def test_the_settings_digest_is_of_their_own_image_only(image: dict[str, str], reference: str) -> None:
    assert container(built_with(RELEASED, image=image))["image"] == reference


def test_pull_secrets_of_the_settings_are_for_a_spec_that_names_none() -> None:
    assert pod_of(built_with(RELEASED))["imagePullSecrets"] == [{"name": "mirror"}]
    assert pod_of(built_with(RELEASED, imagePullSecrets=[{"name": "own"}]))["imagePullSecrets"] == [{"name": "own"}]
    assert "imagePullSecrets" not in pod_of(built())


def test_a_cluster_that_assigns_users_is_left_to_do_it() -> None:
    """OpenShift refuses a pod that asks for a fixed one."""
    found = pod_of(built_with(replace(DEFAULTS, user=None)))["securityContext"]
    assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(found)
    assert found["runAsNonRoot"] is True
    assert pod_of(built_with(replace(DEFAULTS, user=1234)))["securityContext"]["runAsUser"] == 1234


def test_an_ephemeral_store_has_no_claim() -> None:
    claims = built().stateful_set["spec"]["volumeClaimTemplates"]
    assert [claim["metadata"]["name"] for claim in claims] == ["data"]
    ephemeral = built(storage={"ephemeral": True}).stateful_set["spec"]
    assert ephemeral["volumeClaimTemplates"] == []
    assert {"name": "data", "emptyDir": {}} in ephemeral["template"]["spec"]["volumes"]


def test_every_child_says_whose_it_is_and_none_has_an_owner() -> None:
    found = built()
    manifests = [
        found.stateful_set,
        *(manifest for _, manifest in found.others),
        api_secret(REF, {}),
        tls_secret(REF, {}),
    ]
    for manifest in manifests:
        assert manifest["metadata"]["labels"]["hedgegrid.io/uid"] == UID
        assert "ownerReferences" not in manifest["metadata"]
    service = next(manifest for kind, manifest in found.others if kind is SERVICE)["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True


def test_keys_of_people_are_made_once_and_kept() -> None:
    own = operator_key(b"master", UID)
    first = completed({}, own)
    assert sorted(first) == ["admin", "operator", "trader", "viewer"]
    assert len({*first.values()}) == 4
    assert first["operator"] == own.encode()
    assert completed(data_of(api_secret(REF, first)), own) == first


def test_a_key_that_somebody_took_or_added_is_put_back_or_kept() -> None:
    own = operator_key(b"master", UID)
    first = completed({}, own)
    damaged = {name: key for name, key in first.items() if name != "trader"} | {"operator": b"wrong"}
    mended = completed(damaged, own)
    assert mended["operator"] == own.encode()
    assert mended["viewer"] == first["viewer"]
    assert mended["trader"] not in {b"", first["trader"]}
    with_second = {**first, "operator": f"{own}\nanother".encode(), "script": b"extra"}
    assert completed(with_second, own)["operator"] == f"{own}\nanother".encode()


def test_the_operators_key_is_another_one_for_each_object_and_master() -> None:
    keys = {operator_key(master, uid) for master in (b"one", b"two") for uid in ("a", "b")}
    assert len(keys) == 4
