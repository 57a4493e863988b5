"""The only package that knows NautilusTrader: its node, our clients for the simulated venue, and the bridge.

Engine objects belong to the thread of the loop that the node runs on; touching one from another thread aborts the
process.
"""
