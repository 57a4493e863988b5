"""HedgeGridV1: a LONG and a SHORT ladder of post-only orders on one perpetual."""
