"""Drop the database of a site together with what Redis remembers of it."""

from schoolctl.bench import database, redis
from schoolctl.remote.server import Server


def drop_database(server: Server, name: str) -> None:
    """Remove a database, its user and its cached keys, whatever of them exists."""
    server.run(database.drop(name))
    # Frappe begins each key with the database's name, which no other site will ever have.
    server.run(redis.forget_cache(name))
