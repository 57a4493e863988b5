"""The manifests of a grid's children: pure functions of its spec, one module a kind."""
