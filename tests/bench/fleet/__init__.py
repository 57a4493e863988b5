"""Many grids: one operator, a real API server, and pods that one process plays (`tests.farm`)."""
