"""A static site of all units of a survey, for a folder or any web host."""
