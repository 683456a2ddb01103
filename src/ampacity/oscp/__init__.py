"""OSCP 2.0: the only place that knows how its messages look and where they go."""
