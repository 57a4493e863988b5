"""Puts a backtest engine together for one venue and instrument."""

from decimal import Decimal
from enum import StrEnum

from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import CacheConfig, LoggerConfig, LogLevel
from nautilus_trader.execution import DefaultFillModel, MakerTakerFeeModel
from nautilus_trader.model import AccountType, BookType, OmsType
from nautilus_trader.risk import RiskEngineConfig

from hedgegrid_api.files import VenueFile
from naut_hedgegrid.engine.backtest import Carrier
from naut_hedgegrid.engine.translation import Margin, Translation
from naut_hedgegrid.venues.instrument import instrument_of


class FillRule(StrEnum):
    """When a resting limit order fills."""

    TOUCH = "touch"
    """The price has reached it."""
    THROUGH = "through"
    """The price went one tick beyond it: as if everybody else in the queue had come first."""


_PROBABILITIES = {FillRule.TOUCH: 1.0, FillRule.THROUGH: 0.0}


def words_of(file: VenueFile) -> Translation:
    """The engine's words for the venue's instrument, with the margin of its leverage and first bracket."""
    maintenance = file.tiers[0].mmr * file.leverage
    return Translation(instrument_of(file), Margin(Decimal(1), maintenance))


def engine_for(file: VenueFile, words: Translation, carrier: Carrier, fill: FillRule) -> BacktestEngine:
    """An engine that is ready for data.

    Its risk engine is bypassed: with exits resting it would refuse the market close of a flatten for its margin. The
    account's margins are kept nevertheless.
    """
    cache = CacheConfig(bar_capacity=1, tick_capacity=1)
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggerConfig(stdout_level=LogLevel.ERROR),
            bypass_logging=True,
            run_analysis=False,
            cache=cache,
            risk_engine=RiskEngineConfig(bypass=True),
        )
    )
    engine.add_venue(
        venue=words.venue,
        oms_type=OmsType.HEDGING,
        account_type=AccountType.MARGIN,
        starting_balances=[words.money(file.starting_balance)],
        default_leverage=Decimal(file.leverage),
        fill_model=DefaultFillModel(_PROBABILITIES[fill], 0.0, 1),
        fee_model=MakerTakerFeeModel(file.fees.maker, file.fees.taker),
        book_type=BookType.L1_MBP,
    )
    engine.add_instrument(words.definition)
    engine.add_strategy(carrier)
    return engine
