"""What the operator's connections to pods accept: TLS 1.3, a certificate of our authority, the uid as host name."""

import ssl

from hedgegrid_operator.pki.authority import Authority


def client_context(bundle: bytes) -> ssl.SSLContext:
    """Trusts these certificates and no others, not the system's either."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks certificate and host name
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=bundle.decode("ascii"))
    return context


class Trust:
    """The context of all connections: one, since each would take memory of its own.

    A certificate that comes to be trusted is added to the context, so that connections that stand stay in their pool.
    Where one goes, a new context takes its place, and with the old one go the connections that were made with it.
    """

    def __init__(self) -> None:
        self._authority: Authority | None = None
        self._context: ssl.SSLContext | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """Raises RuntimeError before there is an authority."""
        if self._context is None:
            raise RuntimeError("no authority is known yet")
        return self._context

    def follow(self, authority: Authority) -> None:
        """Trust this authority and its former ones."""
        known, self._authority = self._authority, authority
        if known is None or self._context is None or not _all(known) <= _all(authority):
            self._context = client_context(authority.bundle)
        elif _all(known) != _all(authority):
            self._context.load_verify_locations(cadata=authority.bundle.decode("ascii"))


def _all(authority: Authority) -> set[object]:
    return {authority.present.certificate, *authority.former}
