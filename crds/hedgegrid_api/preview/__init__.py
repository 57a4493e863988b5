"""What a grid will do: rungs at a price, smallest legal step, worst case, costs. Pure; the strategy need not run."""

from hedgegrid_api.preview.exposure import FullLadder, Move
from hedgegrid_api.preview.ladder import Drop, GridTerms, Leg, PlannedRung
from hedgegrid_api.preview.outlook import Preview, RoundTrip, known_price, preview
from hedgegrid_api.preview.sentences import Advice, collapsed, liquidations, money, number, oversized, summary, warnings

__all__ = [
    "Advice",
    "Drop",
    "FullLadder",
    "GridTerms",
    "Leg",
    "Move",
    "PlannedRung",
    "Preview",
    "RoundTrip",
    "collapsed",
    "known_price",
    "liquidations",
    "money",
    "number",
    "oversized",
    "preview",
    "summary",
    "warnings",
]
