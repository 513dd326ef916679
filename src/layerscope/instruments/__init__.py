"""A network and something else, to numbers; draws nothing."""
