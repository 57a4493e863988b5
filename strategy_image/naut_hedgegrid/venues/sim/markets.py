"""The market that a venue file asks for."""

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.venues.instrument import instrument_of
from naut_hedgegrid.venues.sim.market import Market
from naut_hedgegrid.venues.sim.replay import ReplayMarket
from naut_hedgegrid.venues.sim.synthetic import SyntheticMarket


def market_of(file: VenueFile) -> Market:
    """Synthetic, or a replay where the file names one. Raises BarFileError if its bars can't be read."""
    instrument = instrument_of(file)
    if file.sim.replay is None:
        return SyntheticMarket(file.sim, instrument)
    return ReplayMarket(file.sim.replay, instrument)
