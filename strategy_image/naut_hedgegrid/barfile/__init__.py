"""Files of bars as CSV: how they are laid out, what their fields mean, what is wrong with them."""

from naut_hedgegrid.barfile.layout import BarFileError, Layout

__all__ = ["BarFileError", "Layout"]
