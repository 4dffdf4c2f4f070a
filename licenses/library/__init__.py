"""The license library: every change of a license, published to the exchange."""
