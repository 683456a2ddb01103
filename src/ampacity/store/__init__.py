"""PostgreSQL behind the ports: the pool, numbered migrations, named statements in `.sql` files."""
