"""Statistics of what a network returns over data, some of it at a time in memory."""
