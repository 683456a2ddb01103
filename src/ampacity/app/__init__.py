"""Where everything is wired: settings, the server, the schedule, the command line."""
