"""The optimization itself: from a task to its result."""
