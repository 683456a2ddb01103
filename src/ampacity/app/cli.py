"""The command `ampacity`."""

import signal
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Final

import typer

from ampacity.app.plain import plain_console
from ampacity.errors import AmpacityError, Unsuitable

COMMANDS: Final[Mapping[str, str]] = {
    "demo": "commands.demo_command:demo",
    "serve": "commands.serve_command:serve",
    "migrate": "commands.migrate_command:migrate",
    "import": "commands.import_command:import_folder",
    "measurements": "commands.measurements_command:measurements",
    "cycle": "commands.cycle_command:cycle",
    "peers": "commands.peers_command:peers",
    "accounts": "commands.accounts_command:accounts",
    "database": "commands.database_command:commands",
    "weather": "commands.weather_command:weather",
    "forecast-quality": "commands.quality_command:quality",
    "backtest": "backtest_command:backtest_command",
    "overview": "commands.look_commands:show_overview",
    "limits": "commands.look_commands:list_limits",
    "audit": "commands.look_commands:export_audit",
    "replay": "commands.proof_commands:replay_decision",
    "explain": "commands.proof_commands:explain",
    "fairness": "commands.fairness_command:fairness",
    "requests": "commands.requests_command:requests",
    "emergency": "commands.emergency_command:emergency",
    "simulate-provider": "simulate_provider:simulate_provider",
    "bench": "commands.bench_command:bench",
}
"""By the name of each command the module of it here, and the function, or the group of commands, in that."""


def build(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The program with some of its commands."""
    app = typer.Typer(
        name="ampacity",
        help="An open Capacity Provider: how much grid capacity may be used, by whom, in the next 24 hours.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_nothing)  # a command that is alone has its name nevertheless
    for name in names:
        module, _, attribute = COMMANDS[name].partition(":")
        found = getattr(import_module(f"ampacity.app.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _nothing() -> None: ...


def main() -> None:
    """Run the command; exit status 0, 1 with the reason where it is refused, 2 for wrong usage."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = sys.argv[1:2]  # each command needs a part of the program only, and to load all of it takes a second
    try:
        build(wanted if wanted and wanted[0] in COMMANDS else COMMANDS)()
    except AmpacityError as refused:
        _say(refused)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _say(refused: AmpacityError) -> None:
    console = plain_console(stderr=True, soft_wrap=True)
    if isinstance(refused, Unsuitable) and len(refused.faults) > 1:
        console.print(f"refused, {len(refused.faults)} faults:", style="red")
        for fault in refused.faults:
            console.print(f"  {fault}")
    else:
        console.print(f"refused: {refused}", style="red")
