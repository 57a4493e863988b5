"""F52 with real processes: the operator beside pods of the next and of the last version.

The pod is this version's with its mouth changed: what it reports goes through a wrapper that adds what nobody knows
yet, or leaves out what an older one hadn't. Kill, release and delete work, and nothing is called flat too early.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.kube import wait_until
from tests.operator.grid_parts import POSITIONS_STAY, Field, condition, kill_of

WRAPPER = """
import json
from hedgegrid_api.control import ControlReport

_dump = ControlReport.model_dump_json


def newer(told):
    told["shape"] = {"version": 2}
    told["throttle"]["source"] = "schedule"
    told["killSwitch"]["source"] = told["killSwitch"]["source"] and "schedule"
    states = {"Flattening": "Closing", "Delivered": "Queued"}
    told["killSwitch"]["state"] = states.get(told["killSwitch"]["state"], told["killSwitch"]["state"])
    for leg in told["killSwitch"]["legs"].values():
        leg["state"] = states.get(leg["state"], leg["state"])
        leg["source"] = leg["source"] and "schedule"
        leg["hedge"] = 1
    told["conditions"] += [{"type": "MarginReady", "status": False, "reason": "Borrowing", "message": "new"}, {"a": 1}]
    told["telemetry"]["netQuote"] = {"USDT": "1"}
    told["latches"] += [{"id": "night", "source": "schedule", "leg": "BOTH", "level": "dimmed",
                         "since": "2026-03-01T00:00:00Z"}]


def older(told):
    for name in ("trip", "conditions", "telemetry", "dueGeneration", "latches"):
        told.pop(name, None)
    for leg in told["killSwitch"]["legs"].values():
        for name in ("since", "attempts", "lastError", "dust"):
            leg.pop(name, None)


def dump(self, **how):
    told = json.loads(_dump(self, **how))
    CHANGE(told)
    return json.dumps(told)


ControlReport.model_dump_json = dump
"""


@pytest.mark.parametrize("change", ["newer", "older"])
def test_kill_release_and_delete_work_with_a_pod_of_another_version(field: Field, change: str) -> None:
    name, wrapper = f"mouth-{change}", WRAPPER.replace("CHANGE", change)
    about = {"name": name, "namespace": field.namespace}
    field.cluster.api.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"sitecustomize.py": wrapper}}
    )
    # This checkout comes first, as in this process.
    roots = [str(Path(part).resolve()) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    spec: dict[str, Any] = {
        **POSITIONS_STAY,
        "pod": {
            "env": [{"name": "PYTHONPATH", "value": os.pathsep.join(["/opt/mouth", *roots])}],
            "volumes": [{"name": "mouth", "configMap": {"name": name}}],
            "volumeMounts": [{"name": "mouth", "mountPath": "/opt/mouth"}],
        },
    }
    grid = field.create(**spec)
    grid.wait(lambda seen: condition(seen, "ControlSynced").get("reason") == "Applied", "a pod in step", timeout=90)
    report = grid.call("GET", "/control")[1]
    assert ("shape" in report) is (change == "newer")
    assert ("conditions" in report) is (change == "newer")
    grid.wait_positions()
    # Kill.
    grid.patch(killSwitch="flattenBoth")
    status = grid.wait(lambda seen: kill_of(seen).get("state") == "Flat", "Flat", timeout=90)["status"]
    assert grid.venue().flat
    assert condition(status, "ControlReachable")["status"] == "True"
    if change == "newer":
        assert condition(status, "MarginReady")["reason"] == "Borrowing"
        assert [latch["id"] for latch in status["control"]["latches"]] == ["night"]
        assert "netQuote" not in status["telemetry"]
    # Release.
    grid.patch(killSwitch="none")
    wait_until(lambda: not grid.venue().flat, 60, "orders at the venue")
    grid.wait_positions()
    # Delete.
    with grid.audit() as audit:
        grid.delete()
        grid.gone(120)
        assert audit.snapshot().flat
