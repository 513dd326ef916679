# PYTHON_ARGCOMPLETE_OK
"""``python -m layerscope``: the shell."""

from layerscope.interfaces.cli import run

if __name__ == "__main__":
    run()
