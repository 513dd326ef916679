"""One module for each family of checks; a check is there by being in this folder."""
