"""The operators' web pages: thin views of what operations and queries tell."""

from ampacity.console.desk import ConsolePorts
from ampacity.console.router import PATH, console_router
from ampacity.console.settings import ConsoleSettings

__all__ = ["PATH", "ConsolePorts", "ConsoleSettings", "console_router"]
