"""The operator: keeps pod, controls and status of each HedgeGrid in step with its spec."""
