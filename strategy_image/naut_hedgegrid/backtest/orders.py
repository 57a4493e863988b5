"""What the files call an order."""

from naut_hedgegrid.domain.values import Role
from naut_hedgegrid.grid.ids import parse

_NAMES = {role: role.name for role in Role}


def role_name(client_order_id: str) -> str:
    """ENTRY, TAKE_PROFIT, STOP_LOSS or FLATTEN.

    Raises:
        ValueError: it is no id of a grid.
    """
    _, owner, *_ = client_order_id.split("-")
    identity = parse(client_order_id, owner)
    if identity is None:
        raise ValueError(f"{client_order_id} is no client order id of a grid")
    return _NAMES[identity.role]
