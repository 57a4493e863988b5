"""What the files call an order."""

from naut_hedgegrid.domain.values import Role

_NAMES = {role.value: role.name for role in Role}


def role_name(client_order_id: str) -> str:
    """ENTRY, TAKE_PROFIT, STOP_LOSS or FLATTEN, by the letter in the id of an order of a grid (see `grid.ids`)."""
    return _NAMES[client_order_id.rsplit("-", 2)[1][0]]
