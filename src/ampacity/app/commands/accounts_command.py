"""`ampacity accounts add|list`: who may enter the console."""

import getpass
import sys
from datetime import timedelta
from typing import Annotated

import msgspec
import typer

from ampacity.app.clock import wall_clock
from ampacity.app.commands.options import AsJson, Config, with_store
from ampacity.app.session import Store
from ampacity.app.settings import Settings
from ampacity.operations.accounts import Reception, add_account
from ampacity.people import Role
from ampacity.store.people import PostgresPeople

accounts = typer.Typer(help="Let people into the console.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name to sign in with.", metavar="NAME")]
RoleOption = Annotated[Role, typer.Option("--role", help="What the person may do.")]
FullName = Annotated[str, typer.Option("--full-name", help="As the audit log shows it.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Take the password from standard input.")]


def reception(store: Store, settings: Settings) -> Reception:
    """Where accounts are kept."""
    console = settings.console
    return Reception(
        people=PostgresPeople(store.pool),
        wall=wall_clock,
        idle=timedelta(hours=console.idle_h),
        longest=timedelta(hours=console.session_h),
    )


@accounts.command("add")
def add(
    name: Name, role: RoleOption = Role.VIEWER, full_name: FullName = "", password_stdin: FromStdin = False,
    config: Config = None,
) -> None:  # fmt: skip
    """Add an account with a password; the first one is best an admin."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else getpass.getpass(f"password of {name}: ")

    async def work(store: Store, settings: Settings) -> None:
        await add_account(
            reception(store, settings), "command line", name, role, full_name=full_name, password=password
        )

    with_store(config, work)
    print(f"{name} may enter as {role.value}")  # noqa: T201


@accounts.command("list")
def show(config: Config = None, as_json: AsJson = False) -> None:
    """All accounts and their roles."""

    async def work(store: Store, _settings: Settings) -> list[dict[str, object]]:
        found = await PostgresPeople(store.pool).accounts()
        return [{"name": a.name, "role": a.role.value, "closed_at": a.closed_at} for a in found]

    rows = with_store(config, work)
    if as_json:
        print(msgspec.json.encode(rows).decode())  # noqa: T201
        return
    for row in rows:
        print(f"{row['name']}  {row['role']}{'  closed' if row['closed_at'] else ''}")  # noqa: T201
