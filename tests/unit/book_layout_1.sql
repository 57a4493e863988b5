-- A book as version 0.1's layout 1 left it: a position in each leg, an order filled in part, funding, a log.
BEGIN TRANSACTION;
CREATE TABLE fills(
  trade_id integer primary key, order_id integer not null, client_order_id text not null, leg text not null,
  side text not null, quantity text not null, price text not null, commission text not null, maker integer not null,
  realized_pnl text not null, ts integer not null, quantity_before text not null, cost_before text not null);
INSERT INTO "fills" VALUES(1,1,'long','LONG','BUY','0.007','50000.1','0.17500035',0,'0',1700049601000000000,'0','0');
INSERT INTO "fills" VALUES(2,2,'short','SHORT','SELL','0.003','50000','0.07500000',0,'0',1700049601000000000,'0','0');
INSERT INTO "fills" VALUES(3,4,'entry','SHORT','SELL','0.001','50500','0.01010000',1,'0',1700053302000000000,'0.003','150.000');
CREATE TABLE funding(
  ts integer not null, leg text not null, rate text not null, mark text not null, quantity text not null,
  amount text not null, primary key(ts, leg)) without rowid;
INSERT INTO "funding" VALUES(1700053200000000000,'LONG','0.0001','50000.05','0.007','-0.03500004');
INSERT INTO "funding" VALUES(1700053200000000000,'SHORT','0.0001','50000.05','0.003','0.01500002');
CREATE TABLE order_log(
  sequence integer primary key autoincrement, wall_ns integer not null, ts integer not null, action text not null,
  client_order_id text not null, leg text, side text, opening integer, kind text, quantity text, price text,
  post_only integer, result text not null);
INSERT INTO "order_log" VALUES(1,1700049600000000000,1700049601000000000,'submit','long','LONG','BUY',1,'MARKET','0.007',NULL,0,'accepted');
INSERT INTO "order_log" VALUES(2,1700049600001000000,1700049601000000000,'submit','short','SHORT','SELL',1,'MARKET','0.003',NULL,0,'accepted');
INSERT INTO "order_log" VALUES(3,1700049600002000000,1700049601000000000,'submit','tp','LONG','SELL',0,'LIMIT','0.007','51000',1,'accepted');
INSERT INTO "order_log" VALUES(4,1700049600003000000,1700049601000000000,'submit','entry','SHORT','SELL',1,'LIMIT','0.004','50500',0,'accepted');
INSERT INTO "order_log" VALUES(5,1700049600004000000,1700049601000000000,'submit','refused','SHORT','SELL',1,'LIMIT','0.0045','50500',0,'-1111 Precision is over the maximum defined for this asset.');
INSERT INTO "order_log" VALUES(6,1700049600005000000,1700049601000000000,'submit','gone','SHORT','SELL',1,'LIMIT','0.004','50600',0,'accepted');
INSERT INTO "order_log" VALUES(7,1700049600006000000,1700049601000000000,'cancel','gone','SHORT','SELL',1,'LIMIT','0.004','50600',0,'accepted');
INSERT INTO "order_log" VALUES(8,1700049600007000000,1700049601000000000,'cancel','gone',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'-2011 Unknown order sent.');
CREATE TABLE orders(
  order_id integer primary key, client_order_id text not null, leg text not null, side text not null,
  kind text not null, quantity text not null, price text, post_only integer not null, status text not null,
  filled text not null, ts integer not null, ts_last integer not null);
INSERT INTO "orders" VALUES(1,'long','LONG','BUY','MARKET','0.007',NULL,0,'FILLED','0.007',1700049601000000000,1700049601000000000);
INSERT INTO "orders" VALUES(2,'short','SHORT','SELL','MARKET','0.003',NULL,0,'FILLED','0.003',1700049601000000000,1700049601000000000);
INSERT INTO "orders" VALUES(3,'tp','LONG','SELL','LIMIT','0.007','51000',1,'OPEN','0',1700049601000000000,1700049601000000000);
INSERT INTO "orders" VALUES(4,'entry','SHORT','SELL','LIMIT','0.004','50500',0,'OPEN','0.001',1700049601000000000,1700053302000000000);
INSERT INTO "orders" VALUES(5,'gone','SHORT','SELL','LIMIT','0.004','50600',0,'CANCELED','0',1700049601000000000,1700049601000000000);
CREATE TABLE venue(
  instrument text not null, starting_balance text not null, realized text not null, commissions text not null,
  funding text not null, long_quantity text not null, long_cost text not null, short_quantity text not null,
  short_cost text not null, bid text, ask text, mark text, quote_ts integer, ts integer not null, market text,
  position text, last_order_id integer not null, last_trade_id integer not null);
INSERT INTO "venue" VALUES('BTCUSDT-PERP.BINANCE','10000','0','0.26010035','-0.02000002','0.007','350.0007','0.004','200.500','50600','50600.1','50600.05',1700053302000000000,1700053302000000000,'test','1700053302000000000',5,3);
CREATE UNIQUE INDEX open_orders on orders(client_order_id) where status = 'OPEN';
CREATE INDEX orders_by_client_id on orders(client_order_id);
CREATE INDEX fills_by_order on fills(order_id);
CREATE INDEX fills_by_leg on fills(leg, trade_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('order_log',8);
pragma user_version = 1;
COMMIT;

