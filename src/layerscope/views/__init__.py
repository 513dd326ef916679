"""Numbers to pictures; knows no network."""
