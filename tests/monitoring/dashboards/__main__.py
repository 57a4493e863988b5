"""Write the dashboards' files anew."""

import sys

from tests.monitoring.dashboards import ALL
from tests.monitoring.dashboards.model import text
from tests.monitoring.places import DASHBOARDS


def main() -> int:
    """Write all of them."""
    DASHBOARDS.mkdir(exist_ok=True)
    for name, dashboard in ALL.items():
        path = DASHBOARDS / f"{name}.json"
        path.write_text(text(dashboard))
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
