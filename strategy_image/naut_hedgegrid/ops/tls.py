"""The control API's certificate: `tls.crt` and `tls.key` in a folder, as a mounted Secret is.

Every handshake looks at the files, so a renewed certificate is served without a restart, and without anything that
would have to run beside. Connections that stand aren't touched.
"""

import logging
import ssl
from pathlib import Path

from naut_hedgegrid.ops.files import Stamp, stamp

log = logging.getLogger(__name__)

CERTIFICATE = "tls.crt"
KEY = "tls.key"


class TlsFolderError(ValueError):
    """There is no such folder; the message says which, and what to do."""


class TlsFolder:
    """Server side of TLS 1.3 with the pair in a folder.

    A pair that can't be used leaves the former one in use: a kill still has to get through. While there was none yet,
    handshakes fail and everything else works.
    """

    def __init__(self, folder: Path) -> None:
        """Raises TlsFolderError if it isn't a folder."""
        if not folder.is_dir():
            raise TlsFolderError(f"{folder} is no folder: --tls-dir takes one with {CERTIFICATE} and {KEY}")
        self._files = folder / CERTIFICATE, folder / KEY
        self._stamps: tuple[Stamp, Stamp] | None = None
        self._newest: ssl.SSLContext | None = None
        self.context = _context()
        """For the listener."""
        self.context.sni_callback = self._choose
        self._refresh()

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        """Called in each handshake, before a certificate is needed."""
        self._refresh()
        if self._newest is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._newest
        return None

    def _refresh(self) -> None:
        certificate, key = self._files
        stamps = stamp(certificate), stamp(key)
        if stamps == self._stamps:
            return
        # Before they are read: files that are replaced meanwhile are looked at again.
        self._stamps = stamps
        context = _context()
        try:
            # Without a password an encrypted key would be asked for at the terminal.
            context.load_cert_chain(certificate, key, password="")
        except OSError as error:
            left = "the former one stays in use" if self._newest else "no connection can be made until it can"
            log.error("the certificate in %s can't be used, %s: %s", certificate.parent, left, error)  # noqa: TRY400
            return
        self._newest = context
        log.info("certificate read", extra={"file": str(certificate)})


def _context() -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.minimum_version = ssl.TLSVersion.TLSv1_3
    # Nobody resumes a session, and each ticket costs the other side memory.
    found.num_tickets = 0
    return found
