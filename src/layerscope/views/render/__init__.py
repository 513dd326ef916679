"""Pictures: panels, and how each is lowered to PNG, SVG and Matplotlib."""
