"""The `pacspace` command, and where its commands are. Each module is imported when its command is called."""

from __future__ import annotations

import click

from .command import Main
from .output import Output

COMMANDS = {
    "serve": "host.commands:serve",
    "migrate": "host.commands:migrate",
    "demo": "host.commands:demo",
    "keys": "host.keys:keys",
    "fsck": "host.commands:fsck",
    "backup": "host.commands:backup",
    "restore": "host.commands:restore",
    "new-log": "host.commands:new_log",
    "trust": "host.commands:trust",
    "erase": "host.commands:erase",
    "verify": "verifying:verify",
    "config": "host.commands:show_config",
    "clock": "vendor.clock:clock",
    "emit": "vendor.recording:emit",
    "import": "vendor.importing:import_file",
    "derive": "vendor.reading:derive",
    "compare": "vendor.reading:compare",
    "checkpoint": "vendor.closing:checkpoint",
    "close-month": "vendor.closing:close_month",
    "receipt": "vendor.receipts:receipt",
    "customers": "vendor.reading:customers",
    "customer": "vendor.reading:customer",
    "export": "vendor.exporting:export",
    "webhooks": "vendor.webhooks:webhooks",
    "completion": "completion:completion",
    "admin": "host.users:admin",
    "workspace": "host.workspaces:workspace",
}


@click.group(
    cls=Main, where=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.version_option(package_name="pacspace-server", prog_name="pacspace")
@click.pass_context
def main(ctx: click.Context, as_json: bool) -> None:
    """Record usage that both sides of a bill can check.

    Start with `pacspace demo` (two months of billing, in seconds) or `pacspace serve`.

    serve, migrate, workspace, admin, keys, fsck, backup, restore, new-log, trust, erase, clock and demo are for the
    operator of a server; emit, import, derive, compare, checkpoint, close-month, receipt, customers, customer, export
    and webhooks call a server; verify needs no server.

    Settings come from flags, then PACSPACE_* environment variables, then pacspace.toml, then defaults; see
    `pacspace config`. Exit status: 0 success, 1 negative result, 2 wrong use, 3 could not be done.
    """
    ctx.obj = Output(as_json)
