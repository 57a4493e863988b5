"""The simulated venue: a market (synthetic or replayed) and a book that outlives the process."""
