"""What a control system's gateway pushes: measurements of elements, a quarter hour at a time."""
