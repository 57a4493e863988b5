"""`make bench`: what a kill costs on its way from `kubectl patch` to a flat account, beside the least it could cost.

The least is a watch and a call over TLS and nothing else (bare.py), on the same API server, in turns with the product.
A recorder (recorder.py) in front of both endpoints notes when a request arrives. Nothing here asserts a time.
"""
