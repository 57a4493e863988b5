"""What survives a restart: a SQLite file for each grid, written in a thread of its own."""
