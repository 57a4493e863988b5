"""Where the files are that this tier is about."""

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
RULES = CHECKOUT / "charts" / "hedgegrid-operator" / "files" / "rules"
DASHBOARDS = CHECKOUT / "charts" / "hedgegrid-operator" / "files" / "dashboards"
RUNBOOKS = CHECKOUT / "docs" / "runbooks"
KUBE_STATE_METRICS = CHECKOUT / "examples" / "monitoring" / "kube-state-metrics.yaml"
PAGE = CHECKOUT / "docs" / "monitoring.md"
RULE_TESTS = Path(__file__).parent / "rules"
