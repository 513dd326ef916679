"""What the page shows: panels of a network, of a layer, of a unit, made of recordings."""
