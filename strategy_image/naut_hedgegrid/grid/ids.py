"""Client order ids: `hg-<8 hex>-<L|S><level>-<role><part>-<n>`, at most 24 characters.

The id alone tells leg, level, role and lot of an order, so that an order or a fill that the store has never heard of
(the process died between two writes) still finds its place. Level, part and n are base 36; entries have no part.
"""

import hashlib
import re
from typing import NamedTuple

from naut_hedgegrid.domain.values import Leg, Role

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PATTERN = re.compile(r"hg-([0-9a-f]{8})-([LS])([0-9a-z]{1,2})-([ETSF])([0-9a-z]{0,2})-([0-9a-z]{1,4})")

WRAP = 36**4
"""Running numbers count from 0 to WRAP − 1 and start again."""
PARTS = 36**2
"""So do the parts of one entry's exits."""


class OrderId(NamedTuple):
    """What a client order id says."""

    owner: str
    """8 hex digits: the grid."""
    leg: Leg
    level: int
    """0 for the closes of a flatten."""
    role: Role
    n: int
    """Of the entry that opened the lot; a flatten's closes have their own."""
    part: int = 0
    """Counts the exits of one entry."""

    def __str__(self) -> str:
        part = "" if self.role is Role.ENTRY else _base36(self.part)
        return f"hg-{self.owner}-{self.leg[0]}{_base36(self.level)}-{self.role}{part}-{_base36(self.n)}"


def owner_of(identity: str) -> str:
    """The 8 hex digits of a grid: the first of its uid, or of the hash of `account/instrument` without a cluster."""
    digits = identity.replace("-", "").lower()[:8]
    if re.fullmatch(r"[0-9a-f]{8}", digits):
        return digits
    return hashlib.sha256(identity.encode()).hexdigest()[:8]


def parse(client_order_id: str, owner: str) -> OrderId | None:
    """The parts of an id of this grid, None for any other."""
    match = _PATTERN.fullmatch(client_order_id)
    if match is None or match[1] != owner:
        return None
    leg = Leg.LONG if match[2] == "L" else Leg.SHORT
    return OrderId(owner, leg, int(match[3], 36), Role(match[4]), int(match[6], 36), int(match[5] or "0", 36))


def _base36(number: int) -> str:
    if number == 0:
        return "0"
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
