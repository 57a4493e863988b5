"""Backtests without their engine: bar files, funding rates, exact books, the files of a run."""
