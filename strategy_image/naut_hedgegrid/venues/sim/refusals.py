"""Why the venue refuses a command: codes and texts of Binance's USDT-margined futures (Error Codes page)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """A code with its text."""

    code: int
    text: str
    post_only: bool = False
    """True when the order would have taken liquidity but must not."""

    def __str__(self) -> str:
        """Code and text, like `-2022 ReduceOnly Order is rejected.`"""
        return f"{self.code} {self.text}"


PRECISION = Refusal(-1111, "Precision is over the maximum defined for this asset.")
ORDER_TYPE = Refusal(-1116, "Invalid orderType.")
UNKNOWN_ORDER = Refusal(-2011, "Unknown order sent.")
NO_SUCH_ORDER = Refusal(-2013, "Order does not exist.")
MARGIN_INSUFFICIENT = Refusal(-2019, "Margin is insufficient.")
WOULD_TRIGGER = Refusal(-2021, "Order would immediately trigger.")
REDUCE_ONLY = Refusal(-2022, "ReduceOnly Order is rejected.")
TOO_MANY_ORDERS = Refusal(-2025, "Reached max open order limit.")
PRICE_NOT_POSITIVE = Refusal(-4001, "Price less than 0.")
QUANTITY_NOT_POSITIVE = Refusal(-4003, "Quantity less than or equal to zero.")
QUANTITY_TOO_SMALL = Refusal(-4004, "Quantity less than min quantity.")
QUANTITY_TOO_LARGE = Refusal(-4005, "Quantity greater than max quantity.")
TRIGGER_NOT_POSITIVE = Refusal(-4006, "Stop price less than zero.")
PRICE_OFF_TICK = Refusal(-4014, "Price not increased by tick size.")
QUANTITY_OFF_STEP = Refusal(-4023, "Quantity not increased by step size.")
TOO_MANY_STOPS = Refusal(-4045, "Reach max stop order limit.")
DUPLICATE_ID = Refusal(-4116, "ClientOrderId is duplicated.")
NO_COUNTERPARTY = Refusal(-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.")
TRIGGERS_AT_ONCE = Refusal(-4142, "REJECT: take-profit or stop order will be triggered immediately.")
NOTIONAL_TOO_SMALL = Refusal(-4164, "Order's notional must be no smaller than the minimum.")
WOULD_TAKE = Refusal(
    -5022, "Due to the order could not be executed as maker, the Post Only order will be rejected.", post_only=True
)
