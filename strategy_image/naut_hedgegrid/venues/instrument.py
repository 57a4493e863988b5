"""The instrument as the venue file describes it."""

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.domain.values import Instrument


def instrument_of(file: VenueFile) -> Instrument:
    """Limits on orders from the venue file's filters."""
    filters = file.filters
    return Instrument(
        symbol=file.instrument,
        tick_size=filters.tick_size,
        step_size=filters.step_size,
        min_qty=filters.min_qty,
        max_qty=filters.max_qty,
        market_max_qty=filters.market_max_qty,
        min_notional=filters.min_notional,
        max_orders=filters.max_orders,
        max_conditional_orders=filters.max_conditional_orders,
    )
