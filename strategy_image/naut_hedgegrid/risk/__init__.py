"""Risk as pure functions over plain data: formulas, limits, what is remembered, the verdict on a sample."""
