"""F17: when a changed template may restart the pod, what is told meanwhile, how the running revision is kept."""

import base64
import copy
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hedgegrid_api.schema import FieldSchema, fields, spec_schema
from hedgegrid_api.status import RolloutStatus
from hedgegrid_api.v1alpha1 import HedgeGridSpec, UpdateStrategy
from hedgegrid_operator.desired.build import Desired, desired
from hedgegrid_operator.desired.config_map import files
from hedgegrid_operator.desired.disruption_budget import disruption_budget
from hedgegrid_operator.desired.kept import config_map_of, kept, packed, restored
from hedgegrid_operator.desired.stateful_set import ImageDefaults, revision_of
from hedgegrid_operator.facts import Doing
from hedgegrid_operator.objects import CONFIG_MAP, GridRef
from hedgegrid_operator.rollout import SETTLED, Standing, Step, decide, evictable, settles_in
from hedgegrid_operator.waiting import approval, told, waiting
from tests.unit.operator_parts import NOW, SPEC, UID

REF = GridRef("default", "btc", UID)
MINUTE = timedelta(minutes=1)

TRADING = Standing(
    desired="new",
    applied="old",
    running="old",
    reporting=True,
    ever_reported=True,
    flat=False,
    flat_for=timedelta(0),
    held=False,
    kill_under_way=False,
    kill_failed=False,
    pod_ready=True,
    pod_stuck=False,
    strategy=UpdateStrategy.WHEN_FLAT,
    approved=False,
    waited=MINUTE,
    max_wait=None,
)
"""A grid that trades and has a position, while a template waits."""
DOWN: dict[str, Any] = {"reporting": False, "pod_ready": False}
FLAT: dict[str, Any] = {"flat": True, "flat_for": SETTLED}
IMMEDIATE: dict[str, Any] = {"strategy": UpdateStrategy.IMMEDIATE}
MANUAL: dict[str, Any] = {"strategy": UpdateStrategy.MANUAL}


@pytest.mark.parametrize(
    ("change", "step"),
    [
        pytest.param({"applied": None, "running": None}, Step.APPLY, id="the first one is immediate"),
        pytest.param({"applied": "new", "running": "new"}, Step.APPLY, id="nothing has changed"),
        pytest.param({"applied": "new", "running": None}, Step.APPLY, id="the pod is being made"),
        # WhenFlat.
        pytest.param({}, Step.HOLD, id="a position holds it back"),
        pytest.param({"flat": None}, Step.HOLD, id="an unknown position too"),
        pytest.param({"flat": True}, Step.REPLACE, id="flat"),
        pytest.param({"flat": True, "kill_under_way": True}, Step.HOLD, id="flat, but a kill is under way"),
        pytest.param(
            {"flat": True, "kill_under_way": True, "kill_failed": True}, Step.HOLD, id="flat, but the kill isn't done"
        ),
        pytest.param({"applied": "new"}, Step.HOLD, id="applied when flat, then filled before the pod was gone"),
        pytest.param({"applied": "new", "flat": True}, Step.REPLACE, id="and flat again"),
        pytest.param({"reporting": False, "flat": True}, Step.HOLD, id="a ready pod that can't be asked"),
        pytest.param(DOWN | {"running": None}, Step.HOLD, id="gone with a position: the old one"),
        pytest.param(DOWN | {"running": None, "flat": None}, Step.HOLD, id="gone with an unknown position"),
        pytest.param(DOWN | {"running": None, "flat": True}, Step.APPLY, id="gone while flat"),
        pytest.param(DOWN, Step.HOLD, id="down with a position, however long"),
        pytest.param(DOWN | {"flat": None, "ever_reported": False}, Step.REPLACE, id="never came up: mended at once"),
        pytest.param({"approved": True}, Step.HOLD, id="the annotation is Manual's alone"),
        # maxWaitSeconds.
        pytest.param({"max_wait": 2 * MINUTE}, Step.HOLD, id="the wait isn't over"),
        pytest.param({"max_wait": MINUTE}, Step.REPLACE, id="the wait is over"),
        pytest.param({"max_wait": MINUTE, "flat": None}, Step.REPLACE, id="over with an unknown position"),
        pytest.param({"max_wait": MINUTE, "kill_under_way": True}, Step.HOLD, id="over, but a kill is under way"),
        pytest.param(MANUAL | {"max_wait": MINUTE}, Step.HOLD, id="Manual waits for ever"),
        # Immediate.
        pytest.param(IMMEDIATE, Step.REPLACE, id="at once, with its position"),
        pytest.param(IMMEDIATE | {"flat": None}, Step.REPLACE, id="at once, with an unknown position"),
        pytest.param(IMMEDIATE | {"kill_under_way": True}, Step.HOLD, id="at once, but after a flatten that gets on"),
        pytest.param(
            IMMEDIATE | {"kill_under_way": True, "kill_failed": True}, Step.REPLACE, id="a failing flatten may need it"
        ),
        pytest.param(IMMEDIATE | DOWN | {"kill_under_way": True}, Step.REPLACE, id="a pod that can't take its kill"),
        pytest.param(IMMEDIATE | DOWN | {"running": None}, Step.APPLY, id="gone: comes back new"),
        # Manual.
        pytest.param(MANUAL, Step.HOLD, id="waits for its annotation"),
        pytest.param(MANUAL | {"flat": True}, Step.HOLD, id="flat is no annotation"),
        pytest.param(MANUAL | DOWN | {"running": None, "flat": True}, Step.HOLD, id="gone, even flat: the old one"),
        pytest.param(MANUAL | DOWN | {"flat": None, "ever_reported": False}, Step.HOLD, id="even if it never came up"),
        pytest.param(MANUAL | {"approved": True}, Step.REPLACE, id="with its annotation, at once"),
        pytest.param(MANUAL | {"approved": True, "kill_under_way": True}, Step.HOLD, id="but after a flatten"),
        pytest.param(MANUAL | {"applied": None, "running": None}, Step.APPLY, id="its first one is immediate"),
    ],
)  # fmt: skip
def test_a_template_rolls_by_its_strategy(change: dict[str, Any], step: Step) -> None:
    assert decide(replace(TRADING, **change)) is step


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, False, id="a position"),
        pytest.param({"flat": None}, False, id="unknown"),
        pytest.param({"flat": True}, False, id="flat for a moment: its next entry may be filled by now"),
        pytest.param(FLAT, True, id="flat for a while"),
        pytest.param({"flat": True, "held": True}, True, id="flat and held"),
        pytest.param({"held": True}, False, id="held with a position"),
        pytest.param(FLAT | {"kill_under_way": True}, False, id="flat, but a kill is under way"),
        pytest.param(FLAT | {"reporting": False}, False, id="flat as last heard, but out of reach now"),
        pytest.param(MANUAL, False, id="Manual with a position"),
        pytest.param(MANUAL | FLAT, True, id="Manual, flat"),
        pytest.param(IMMEDIATE | DOWN, True, id="Immediate always"),
    ],
)
def test_a_drain_may_take_the_pod_of_a_flat_grid(change: dict[str, Any], expected: bool) -> None:
    standing = replace(TRADING, **change)
    assert evictable(standing) is expected
    spec = disruption_budget(REF, evictable=expected)["spec"]
    assert spec["selector"] == {"matchLabels": {"hedgegrid.io/uid": UID}}
    assert (spec["minAvailable"], spec["unhealthyPodEvictionPolicy"]) == (
        (0, "AlwaysAllow") if expected else (1, "IfHealthyBudget")
    )


def test_the_wait_is_told_with_its_beginning_and_both_remedies() -> None:
    rollout = waiting(TRADING, None, "c0ffee", NOW)
    found = told(TRADING, rollout)
    assert found.doing is Doing.WAITING_FOR_FLAT
    assert found.message == (
        "revision new of the pod waits until both legs are flat, since 2026-03-01T12:00:00Z; killSwitch: haltEntries "
        "lets exits empty them (flattenBoth closes them at once), update.strategy: Immediate restarts the pod now, its "
        "exits kept"
    )
    assert (found.rollout, found.due) == (rollout, None)


def test_the_wait_counts_from_the_first_template_that_had_to_wait() -> None:
    first = waiting(replace(TRADING, desired="first"), None, "1", NOW)
    second = waiting(TRADING, first, "2", NOW + MINUTE)
    assert second == RolloutStatus(revision="new", approval="2", since=NOW)


def test_the_end_of_the_wait_is_told() -> None:
    standing = replace(TRADING, max_wait=10 * MINUTE)
    found = told(standing, waiting(standing, None, "1", NOW))
    assert found.due == NOW + 10 * MINUTE
    assert found.message.endswith("; it is restarted so at 2026-03-01T12:10:00Z (update.maxWaitSeconds)")


def test_when_a_drain_may_pass_is_foreseen() -> None:
    ten = timedelta(seconds=10)
    assert settles_in(replace(TRADING, flat=True, flat_for=SETTLED - ten)) == ten
    assert [settles_in(found) for found in (TRADING, replace(TRADING, **FLAT))] == [None, None]


def test_a_pod_that_is_stuck_is_told_not_to_get_flat_by_itself() -> None:
    standing = replace(TRADING, **DOWN, pod_stuck=True)
    assert (
        "the pod doesn't run and can't get flat by itself" in told(standing, waiting(standing, None, "1", NOW)).message
    )


def test_manual_says_what_to_write() -> None:
    standing = replace(TRADING, **MANUAL)
    found = told(standing, waiting(standing, None, "c0ffee", NOW))
    assert found.doing is Doing.WAITING_FOR_ANNOTATION
    assert found.message == (
        "revision new of the pod waits for the annotation hedgegrid.io/rollout: c0ffee, since 2026-03-01T12:00:00Z; "
        "with it the pod is restarted at once, its exits kept"
    )


def test_immediate_says_that_it_waits_for_a_kill() -> None:
    standing = replace(TRADING, **IMMEDIATE, kill_under_way=True)
    found = told(standing, waiting(standing, None, "1", NOW))
    assert "until the kill under way has reached its end" in found.message


def built(spec: dict[str, Any] | None = None, tag: str = "1") -> Desired:
    parsed = HedgeGridSpec.model_validate(spec or SPEC)
    return desired(REF, parsed, files(parsed), ImageDefaults("strategy", tag, "IfNotPresent"))


def test_what_manual_takes_is_the_configuration_or_the_revision_where_only_the_pod_changes() -> None:
    wanted = built()
    changed = approval(wanted, "another")
    assert changed.value == wanted.config_hash
    assert changed.accepted == {wanted.config_hash, wanted.revision}
    # An annotation of the last rollout would else let a new image pass.
    only_pod = approval(wanted, wanted.config_hash)
    assert only_pod.value == wanted.revision
    assert only_pod.accepted == {wanted.revision}


def test_another_image_of_the_operators_settings_is_another_revision_of_the_same_configuration() -> None:
    old, new = built(tag="1"), built(tag="2")
    assert old.config_hash == new.config_hash
    assert old.revision != new.revision


# The running revision.


def as_stored(found: Desired) -> dict[str, Any]:
    """The StatefulSet as an API server might return it, with defaults of its own."""
    stored = copy.deepcopy(found.stateful_set)
    stored["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst"
    return stored


def test_an_earlier_template_comes_back_byte_for_byte() -> None:
    old, new = built(tag="1"), built({**SPEC, "exits": {"takeProfitSteps": 7}}, tag="2")
    template = kept(as_stored(old))
    assert template is not None
    assert restored(new.stateful_set, template) == old.stateful_set
    assert revision_of(restored(new.stateful_set, template)) == old.revision
    config_map = next(manifest for kind, manifest in old.others if kind is CONFIG_MAP)
    assert config_map_of(template["spec"]) == config_map["metadata"]["name"]


@pytest.mark.parametrize("text", [None, "", "not base64", "bm90IGNvbXByZXNzZWQ=", "the template of another revision"])
def test_a_template_that_somebody_touched_counts_as_unknown(text: str | None) -> None:
    stored = as_stored(built())
    annotations = stored["metadata"]["annotations"]
    if text is None:
        del annotations["hedgegrid.io/template"]
    else:
        another = built(tag="9").stateful_set["metadata"]["annotations"]["hedgegrid.io/template"]
        annotations["hedgegrid.io/template"] = another if text.startswith("the template") else text
    assert kept(stored) is None


def test_a_template_that_unpacks_without_end_is_cut_off_and_unknown() -> None:
    stored = as_stored(built())
    bomb = base64.b64encode(zlib.compress(b'{"a":"' + b"a" * 20_000_000 + b'"}')).decode()
    stored["metadata"]["annotations"]["hedgegrid.io/template"] = bomb
    assert kept(stored) is None


def test_a_template_too_large_for_an_annotation_is_left_out() -> None:
    noise = [f"{i * 7919 % 104729:x}{i * 104729 % 7919:x}" for i in range(60_000)]
    assert packed({"metadata": {"annotations": {"noise": "".join(noise)}}}) == {}


# Every field of the spec.

CONTROLS = frozenset({"throttle", "killSwitch", "rearm", "risk", "escalation", "deletion", "update"})
"""Fields and groups that act without a restart (architecture.md)."""
CHANGED: dict[str, Any] = {
    "account.name": "other",
    "instrument": "ETHUSDT-PERP.BINANCE",
    "grid.baseQty": "0.003",
    "grid.maxInventoryQuote": "6000",
    "execution.barSeconds": 5,
    "sim.startPrice": "51000",
    "sim.replay.path": "/other.csv",
    "sim.startingBalance": "20000",
    "image.repository": "other/strategy",
    "image.tag": "other",
    "image.digest": "sha256:" + "a" * 64,
    "imagePullSecrets[].name": "registry",
    "storage.size": "2Gi",
    "storage.storageClassName": "fast",
    "risk.maxLossQuote": "100",
    "risk.dailyLossQuote": "100",
    "risk.maxPositionQuote": "100",
    "killSwitch": "flattenBoth",
    "rearm": 3,
    "deletion.timeoutSeconds": 10,
    "monitoring.serviceMonitor.intervalSeconds": 15,
}
"""Values of fields for which the schema doesn't tell one."""
ELSEWHERE = frozenset({"account.name", "mode", "storage.size", "storage.storageClassName", "storage.ephemeral"})
"""Immutable: the target, and the claim, which is no part of the template."""


def leaves() -> Iterator[FieldSchema]:
    """Fields that hold a value, but those of `spec.pod`, each of which has its own test (test_pod_fields.py)."""
    for found in fields(spec_schema()):
        if found.schema["type"] not in {"object", "array"} and not found.path.startswith("pod."):
            yield found


def with_value(path: str, value: Any) -> dict[str, Any]:
    spec = copy.deepcopy(SPEC)
    if path.startswith("sim.replay") or path == "sim.market":
        spec["sim"] = {"market": "replay", "replay": {"path": "/bars.csv"}}
    node = spec
    *groups, name = path.split(".")
    for group in groups:
        if group.endswith("[]"):
            node[group.removesuffix("[]")] = [inner := {}]
            node = inner
        else:
            node = node.setdefault(group, {})
    node[name] = value
    return spec


def another(field: FieldSchema) -> Any:
    """Another value than the default or that of SPEC."""
    schema, default = field.schema, field.schema.get("default")
    if field.path in CHANGED:
        return CHANGED[field.path]
    if "enum" in schema:
        return next((value for value in schema["enum"] if value != default), None)
    if schema["type"] == "boolean":
        return not default
    if schema["type"] == "string":
        return str(float(default) * 2).removesuffix(".0")
    node: Any = SPEC
    for part in field.path.split("."):
        node = node.get(part, {})
    now = default if default is not None else node
    up = now + 1 if schema["type"] == "integer" else now * 1.01 + 0.01
    return up if up <= schema["maximum"] else now - 1


@pytest.mark.parametrize("field", list(leaves()), ids=lambda found: found.path)
def test_a_field_of_the_spec_changes_the_pod_or_is_a_control(field: FieldSchema) -> None:
    value = another(field)
    if value is None:
        pytest.skip(f"{field.path} has one value only")
    before = built(with_value("sim.replay.speed", 60)) if field.path.startswith("sim.replay") else built()
    after = built(with_value(field.path, value))
    group = field.path.split(".")[0]
    if group == "monitoring":
        # Other children, and neither the pod nor its configuration.
        assert (after.revision, after.config_hash) == (before.revision, before.config_hash)
    elif group in CONTROLS:
        # Nothing of ours is touched: no pod, no configuration, no other child.
        assert replace(after, update=before.update) == before
    elif field.path not in ELSEWHERE:
        assert after.revision != before.revision
