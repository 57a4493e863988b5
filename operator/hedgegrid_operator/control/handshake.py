"""Why a handshake with a pod failed, in words; nothing of a request has been sent then."""

import ssl

_FOREIGN = frozenset({18, 19, 20, 21})
"""OpenSSL's verification errors where nobody whom we trust has signed."""
_ENDED, _OTHER_NAME = 10, 62


def why_failed(cause: OSError, name: str) -> str:
    """What was found at the address, and what to look at; `name` was expected."""
    code = cause.verify_code if isinstance(cause, ssl.SSLCertVerificationError) else None
    if not isinstance(cause, ssl.SSLCertVerificationError):
        told = getattr(cause, "reason", None) or cause
        why = (
            f"no TLS 1.3 is spoken there ({told}): something else listens, or a pod of release 0.1, which "
            "update.strategy: Immediate replaces"
        )
    elif code == _OTHER_NAME:
        why = f"its certificate isn't this grid's ({name}): another pod has the address"
    elif code == _ENDED:
        why = "its certificate has ended: the pod hasn't got the one in its Secret; delete the pod"
    elif code in _FOREIGN:
        why = "its certificate isn't of the operator's authority: the pod gets the right one by its Secret"
    else:
        why = f"its certificate isn't valid: {cause.verify_message}"
    return f"no key was sent, {why}"


def why_unconnected(cause: OSError) -> str:
    """The same where there was no TLS to fail."""
    if isinstance(cause, ConnectionResetError | ConnectionAbortedError):
        return "the connection was cut in the handshake: the pod starts or ends, or has no certificate that it can use"
    return cause.strerror or str(cause)
