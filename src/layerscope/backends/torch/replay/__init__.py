"""Passes that follow a plan: a model that was watched once is seen at the cost of its hooks."""
