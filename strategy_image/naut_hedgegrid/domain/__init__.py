"""Value types of the trading core. Prices, quantities and money are decimals; times are ns since the epoch."""
