"""The local page: a server on this machine, for whoever has its token."""
