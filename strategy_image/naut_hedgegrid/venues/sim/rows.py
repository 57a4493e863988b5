"""Rows of the book's file: how each record is read and written."""

import json
import sqlite3
from decimal import Decimal
from typing import Any

from naut_hedgegrid.domain.values import Leg, OrderFilled, OrderKind, OrderRequest, Quote, Side
from naut_hedgegrid.venues.sim.account import Account, Position
from naut_hedgegrid.venues.sim.changes import Command
from naut_hedgegrid.venues.sim.orders import BookOrder, Status
from naut_hedgegrid.venues.sim.places import Place
from naut_hedgegrid.venues.sim.records import Action, BookFill, FundingPayment, LoggedCommand, Transfer
from naut_hedgegrid.venues.sim.settlement import Unsettled
from naut_hedgegrid.venues.sim.standing import Standing

type Row = sqlite3.Row


def read_standing(row: Row) -> Standing:
    """The venue's row; the open orders have their own."""
    account = Account(
        starting_balance=Decimal(row["starting_balance"]),
        realized=Decimal(row["realized"]),
        commissions=Decimal(row["commissions"]),
        funding=Decimal(row["funding"]),
        transfers=Decimal(row["transfers"]),
        positions={
            leg: Position(Decimal(row[f"{leg.lower()}_quantity"]), Decimal(row[f"{leg.lower()}_cost"])) for leg in Leg
        },
    )
    quote = None
    if row["bid"] is not None:
        quote = Quote(Decimal(row["bid"]), Decimal(row["ask"]), Decimal(row["mark"]), row["quote_ts"])
    return Standing(
        account=account,
        quote=quote,
        ts=row["ts"],
        place=None if row["market"] is None else Place(row["market"], row["position"]),
        last_order_id=row["last_order_id"],
        last_trade_id=row["last_trade_id"],
        unsettled=_unsettled(row["unsettled"]),
    )


def read_order(row: Row) -> BookOrder:
    """An order."""
    request = OrderRequest(
        client_order_id=row["client_order_id"],
        leg=Leg(row["leg"]),
        side=Side(row["side"]),
        kind=OrderKind(row["kind"]),
        quantity=Decimal(row["quantity"]),
        price=_decimal(row["price"]),
        post_only=bool(row["post_only"]),
        trigger_price=_decimal(row["trigger_price"]),
    )
    return BookOrder(
        order_id=row["order_id"],
        request=request,
        ts=row["ts"],
        status=Status(row["status"]),
        filled=Decimal(row["filled"]),
        ts_last=row["ts_last"],
        reason=row["reason"],
    )


def read_fill(row: Row) -> BookFill:
    """A fill."""
    event = OrderFilled(
        trade_id=row["trade_id"],
        client_order_id=row["client_order_id"],
        leg=Leg(row["leg"]),
        side=Side(row["side"]),
        quantity=Decimal(row["quantity"]),
        price=Decimal(row["price"]),
        commission=Decimal(row["commission"]),
        maker=bool(row["maker"]),
        realized_pnl=Decimal(row["realized_pnl"]),
        ts=row["ts"],
    )
    before = Position(Decimal(row["quantity_before"]), Decimal(row["cost_before"]))
    return BookFill(row["order_id"], event, before)


def read_funding(row: Row) -> FundingPayment:
    """One leg's part of a settlement."""
    return FundingPayment(
        ts=row["ts"],
        leg=Leg(row["leg"]),
        rate=Decimal(row["rate"]),
        mark=Decimal(row["mark"]),
        quantity=Decimal(row["quantity"]),
        amount=Decimal(row["amount"]),
    )


def read_transfer(row: Row) -> Transfer:
    """A deposit or withdrawal."""
    return Transfer(row["wall_ns"], row["ts"], Decimal(row["amount"]))


def read_command(row: Row) -> LoggedCommand:
    """A line of the order log."""
    known = row["leg"] is not None
    return LoggedCommand(
        sequence=row["sequence"],
        wall_ns=row["wall_ns"],
        ts=row["ts"],
        action=Action(row["action"]),
        client_order_id=row["client_order_id"],
        leg=Leg(row["leg"]) if known else None,
        side=Side(row["side"]) if known else None,
        opening=bool(row["opening"]) if known else None,
        kind=OrderKind(row["kind"]) if known else None,
        quantity=_decimal(row["quantity"]),
        price=_decimal(row["price"]),
        trigger_price=_decimal(row["trigger_price"]),
        post_only=bool(row["post_only"]) if known else None,
        result=row["result"],
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def state_row(standing: Standing) -> tuple[object, ...]:
    """The venue's row."""
    account, quote, place = standing.account, standing.quote, standing.place
    return (
        *_account_columns(account),
        *((None,) * 4 if quote is None else (str(quote.bid), str(quote.ask), str(quote.mark), quote.ts)),
        standing.ts,
        *((None, None) if place is None else (place.market, place.position)),
        standing.last_order_id,
        standing.last_trade_id,
        str(account.transfers),
        json.dumps([_plain(waiting) for waiting in standing.unsettled]),
    )


def _account_columns(account: Account) -> tuple[str, ...]:
    long, short = account.positions[Leg.LONG], account.positions[Leg.SHORT]
    figures = (account.realized, account.commissions, account.funding)
    return tuple(map(str, (*figures, long.quantity, long.cost, short.quantity, short.cost)))


def order_row(order: BookOrder) -> tuple[object, ...]:
    """An order."""
    request = order.request
    return (
        order.order_id,
        request.client_order_id,
        request.leg,
        request.side,
        request.kind,
        str(request.quantity),
        _text(request.price),
        request.post_only,
        order.status,
        str(order.filled),
        order.ts,
        order.ts_last,
        _text(request.trigger_price),
        order.reason,
    )


def fill_row(fill: BookFill) -> tuple[object, ...]:
    """A fill."""
    event = fill.event
    return (
        event.trade_id,
        fill.order_id,
        event.client_order_id,
        event.leg,
        event.side,
        str(event.quantity),
        str(event.price),
        str(event.commission),
        event.maker,
        str(event.realized_pnl),
        event.ts,
        str(fill.before.quantity),
        str(fill.before.cost),
    )


def funding_row(payment: FundingPayment) -> tuple[object, ...]:
    """One leg's part of a settlement."""
    figures = (payment.rate, payment.mark, payment.quantity, payment.amount)
    return (payment.ts, payment.leg, *map(str, figures))


def command_row(command: Command) -> tuple[object, ...]:
    """A line of the order log."""
    head = (command.wall_ns, command.ts, command.action, command.client_order_id)
    order = command.order
    if order is None:
        return (*head, *(None,) * 7, command.result, None)
    opening = not order.reduce_only
    quantity, price, trigger = str(order.quantity), _text(order.price), _text(order.trigger_price)
    return (
        *head,
        order.leg,
        order.side,
        opening,
        order.kind,
        quantity,
        price,
        order.post_only,
        command.result,
        trigger,
    )


def transfer_row(transfer: Transfer) -> tuple[object, ...]:
    """A deposit or withdrawal."""
    return (transfer.wall_ns, transfer.ts, str(transfer.amount))


def _unsettled(text: str) -> tuple[Unsettled, ...]:
    return tuple(
        Unsettled(
            ts=waiting["ts"],
            mark=Decimal(waiting["mark"]),
            quantities={Leg(leg): Decimal(quantity) for leg, quantity in waiting["quantities"].items()},
        )
        for waiting in json.loads(text)
    )


def _plain(waiting: Unsettled) -> dict[str, Any]:
    quantities = {leg: str(quantity) for leg, quantity in waiting.quantities.items()}
    return {"ts": waiting.ts, "mark": str(waiting.mark), "quantities": quantities}


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)
