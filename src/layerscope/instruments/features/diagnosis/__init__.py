"""Why an optimized unit stayed dead, and how good a result is."""
