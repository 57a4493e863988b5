"""The Grafana dashboards that the chart ships, as code: `python -m tests.monitoring.dashboards` writes them.

tests/monitoring/test_dashboards.py holds the files in step, tests/operator/test_prometheus.py runs every query on
a real Prometheus that has scraped real pods.
"""

from tests.monitoring.dashboards.fleet import FLEET
from tests.monitoring.dashboards.grid import GRID
from tests.monitoring.dashboards.operator import OPERATOR

ALL = {"fleet": FLEET, "grid": GRID, "operator": OPERATOR}
"""By the name of the file, without `.json`."""

__all__ = ["ALL"]
