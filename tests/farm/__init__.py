"""Pods played by one process: for fleets of which no machine could run the real ones.

Every pod has a loopback address of its own and a server on port 8080 that speaks `PUT /control` and `GET /control` with
the certificate of its Secret; what it is told takes effect at once. `Farm` starts the process and asks it for things.
"""

from tests.farm.farm import Arrival, Farm

__all__ = ["Arrival", "Farm"]
