"""Interventions: a model whose values are others than it would have computed, and what follows."""
