"""Read what is declared: the schools, the platform, the hosts. Nothing here talks to a server."""
