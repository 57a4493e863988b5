"""The strategy pod: HedgeGridV1 on a NautilusTrader node, with metrics and a control API."""
