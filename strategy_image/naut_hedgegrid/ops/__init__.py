"""Operations: control API, metrics, keys. `OperationsManager` starts and stops them together."""
