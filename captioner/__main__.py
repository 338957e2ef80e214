"""The command `captioner` as `python -m captioner`, where the commands are not on the path."""

from __future__ import annotations

from captioner.starting import captioner

if __name__ == "__main__":
    captioner()
