"""The command `ampacity`."""

import signal
import sys

import typer

from ampacity.app.backtest_command import backtest_command
from ampacity.app.bench_allocation import bench_allocation
from ampacity.app.commands import (
    cycle_command,
    database_command,
    demo_command,
    emergency_command,
    fairness_command,
    import_command,
    look_commands,
    measurements_command,
    migrate_command,
    proof_commands,
    quality_command,
    serve_command,
    weather_command,
)
from ampacity.app.commands.accounts_command import accounts
from ampacity.app.commands.bench_command import bench
from ampacity.app.commands.peers_command import peers
from ampacity.app.commands.requests_command import requests
from ampacity.app.plain import plain_console
from ampacity.app.simulate_provider import simulate_provider
from ampacity.errors import AmpacityError, Unsuitable

app = typer.Typer(
    name="ampacity",
    help="An open Capacity Provider: how much grid capacity may be used, by whom, in the next 24 hours.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(demo_command.demo)
app.command("serve")(serve_command.serve)
app.command("migrate")(migrate_command.migrate)
app.command("import")(import_command.import_folder)
app.command("measurements")(measurements_command.measurements)
app.command("cycle")(cycle_command.cycle)
app.add_typer(peers, name="peers")
app.add_typer(accounts, name="accounts")
app.add_typer(database_command.commands, name="database")
app.command("weather")(weather_command.weather)
app.command("forecast-quality")(quality_command.quality)
app.command("backtest")(backtest_command)
app.command("overview")(look_commands.show_overview)
app.command("limits")(look_commands.list_limits)
app.command("audit")(look_commands.export_audit)
app.command("replay")(proof_commands.replay_decision)
app.command("explain")(proof_commands.explain)
app.command("fairness")(fairness_command.fairness)
app.add_typer(requests, name="requests")
app.command("emergency")(emergency_command.emergency)
app.command("simulate-provider")(simulate_provider)
bench.command("allocation")(bench_allocation)
app.add_typer(bench, name="bench")


def main() -> None:
    """Run the command; exit status 0, 1 with the reason where it is refused, 2 for wrong usage."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
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
