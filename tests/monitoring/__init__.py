"""Alert rules, runbooks and dashboards: what can be seen of them without a cluster."""
