"""Feature visualization: images that a unit, a channel, a layer or a class fires at."""
