"""`python -m difc` is the command `difc`."""

from __future__ import annotations

from difc.cli import main

main()
