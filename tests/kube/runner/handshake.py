"""Where the answers of a connection begin: after the handshake, if it is TLS 1.3."""

_RECORD_HEADER = 5
_HANDSHAKE, _APPLICATION_DATA = 22, 23


class Handshake:
    """Follows what a client sends. In TLS 1.3 its first record of application data ends the handshake; what comes
    after that one is a request.
    """

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        self._seen: list[int] = []

    @property
    def under_way(self) -> bool:
        """It is TLS, and no request has been sent yet."""
        return self._seen[:1] == [_HANDSHAKE] and self._seen.count(_APPLICATION_DATA) < 2

    def sent(self, block: bytes) -> None:
        """Take bytes from the client."""
        if self._seen and not self.under_way:
            return
        while block:
            if self._left:
                taken = min(self._left, len(block))
                self._left, block = self._left - taken, block[taken:]
                continue
            missing = _RECORD_HEADER - len(self._header)
            self._header, block = self._header + block[:missing], block[missing:]
            if self._header[0] != _HANDSHAKE and not self._seen:
                self._seen.append(0)
                return
            if len(self._header) == _RECORD_HEADER:
                self._seen.append(self._header[0])
                self._left, self._header = int.from_bytes(self._header[3:]), b""
