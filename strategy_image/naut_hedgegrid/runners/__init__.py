"""Programs: build the node, start operations, stop in order."""
