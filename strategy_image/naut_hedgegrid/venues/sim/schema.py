"""Tables of the book's file, and the statements that write them."""

SCHEMA_VERSION = 2
SCHEMA = f"""
begin immediate;
create table venue(
  instrument text not null, starting_balance text not null, realized text not null, commissions text not null,
  funding text not null, long_quantity text not null, long_cost text not null, short_quantity text not null,
  short_cost text not null, bid text, ask text, mark text, quote_ts integer, ts integer not null, market text,
  position text, last_order_id integer not null, last_trade_id integer not null, transfers text not null default '0',
  unsettled text not null default '[]');
create table orders(
  order_id integer primary key, client_order_id text not null, leg text not null, side text not null,
  kind text not null, quantity text not null, price text, post_only integer not null, status text not null,
  filled text not null, ts integer not null, ts_last integer not null, trigger_price text,
  reason text not null default '');
create unique index open_orders on orders(client_order_id) where status = 'OPEN';
create index orders_by_client_id on orders(client_order_id);
create table fills(
  trade_id integer primary key, order_id integer not null, client_order_id text not null, leg text not null,
  side text not null, quantity text not null, price text not null, commission text not null, maker integer not null,
  realized_pnl text not null, ts integer not null, quantity_before text not null, cost_before text not null);
create index fills_by_order on fills(order_id);
create index fills_by_leg on fills(leg, trade_id);
create table funding(
  ts integer not null, leg text not null, rate text not null, mark text not null, quantity text not null,
  amount text not null, primary key(ts, leg)) without rowid;
create table order_log(
  sequence integer primary key autoincrement, wall_ns integer not null, ts integer not null, action text not null,
  client_order_id text not null, leg text, side text, opening integer, kind text, quantity text, price text,
  post_only integer, result text not null, trigger_price text);
create table transfers(
  sequence integer primary key autoincrement, wall_ns integer not null, ts integer not null, amount text not null);
pragma user_version = {SCHEMA_VERSION};
"""
"""A new file's; the transaction stays open for its first row."""
MIGRATIONS = {
    1: """
begin;
alter table venue add column transfers text not null default '0';
alter table venue add column unsettled text not null default '[]';
alter table orders add column trigger_price text;
alter table orders add column reason text not null default '';
alter table order_log add column trigger_price text;
create table transfers(
  sequence integer primary key autoincrement, wall_ns integer not null, ts integer not null, amount text not null);
pragma user_version = 2;
commit;
""",
}
"""What brings a file of a layout to the next one."""
INSERT_STATE = """insert into venue(
  instrument, starting_balance, realized, commissions, funding, long_quantity, long_cost, short_quantity, short_cost,
  ts, last_order_id, last_trade_id) values(?, ?, '0', '0', '0', '0', '0', '0', '0', 0, 0, 0)"""
UPDATE_STATE = """update venue set realized = ?, commissions = ?, funding = ?, long_quantity = ?, long_cost = ?,
  short_quantity = ?, short_cost = ?, bid = ?, ask = ?, mark = ?, quote_ts = ?, ts = ?, market = ?, position = ?,
  last_order_id = ?, last_trade_id = ?, transfers = ?, unsettled = ?"""
UPSERT_ORDER = """insert into orders values(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict(order_id) do
  update set status = excluded.status, filled = excluded.filled, ts_last = excluded.ts_last, reason = excluded.reason"""
INSERT_FILL = "insert into fills values(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_FUNDING = "insert into funding values(?, ?, ?, ?, ?, ?)"
INSERT_COMMAND = "insert into order_log values(null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_TRANSFER = "insert into transfers values(null, ?, ?, ?)"
# By the index of the open ones: without being told, SQLite goes through all orders there ever were.
SELECT_OPEN_ORDERS = "select * from orders indexed by open_orders where status = 'OPEN' order by order_id"
SELECT_FILLS = "select * from fills where trade_id > ? order by trade_id"
