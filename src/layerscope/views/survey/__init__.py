"""Pictures of a survey: what its units fired for."""
