"""The demonstration: a server, its meters, and two providers as processes of their own."""
