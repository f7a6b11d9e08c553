"""`pacspace completion`."""

from __future__ import annotations

import click

from .command import Command, examples
from .output import Output

INSTALL = {
    "bash": 'eval "$(pacspace completion bash)"  in ~/.bashrc',
    "zsh": 'eval "$(pacspace completion zsh)"  in ~/.zshrc',
    "fish": "pacspace completion fish > ~/.config/fish/completions/pacspace.fish",
}


@click.command(cls=Command, epilog=examples("pacspace completion bash"))
@click.argument("shell", type=click.Choice(list(INSTALL)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell."""
    from click.shell_completion import get_completion_class

    out: Output = ctx.obj
    found = get_completion_class(shell)
    assert found is not None
    script = found(ctx.find_root().command, {}, "pacspace", "_PACSPACE_COMPLETE").source()
    text = f"# To install: {INSTALL[shell]}\n{script.strip()}"
    out.show({"shell": shell, "script": text, "install": INSTALL[shell]}, text)
