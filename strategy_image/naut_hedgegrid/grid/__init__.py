"""The grid as pure functions over plain data: prices, bars, ladder, order diff, exits, ledger."""
