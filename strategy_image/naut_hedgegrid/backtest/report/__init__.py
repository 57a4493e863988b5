"""`report.html`: one page that shows a run, without network and without a library."""

from naut_hedgegrid.backtest.report.page import page

__all__ = ["page"]
