"""What the hosts of the page share: its subject, the wire form of panels, its files."""
