"""Named arrays: what instruments return and views draw."""
