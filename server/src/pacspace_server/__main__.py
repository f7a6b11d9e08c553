"""`python -m pacspace_server` is the `pacspace` command."""

from .cli import main

main(prog_name="pacspace")
