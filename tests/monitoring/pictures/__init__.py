"""`python -m tests.monitoring.pictures`: a fleet, a Prometheus that scrapes it, and its dashboards as pictures."""
