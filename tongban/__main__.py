"""`python -m tongban`."""

from tongban.main import main

main()
