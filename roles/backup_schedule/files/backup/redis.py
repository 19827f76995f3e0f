"""What Redis remembers of a site or a database that is no more."""

from backup import programs

_PATIENCE_S = 300


def forget(settings, what, name):
    """Have Redis forget it. what: forget_cache with a database's name, forget_jobs with a site's."""
    words = settings.redis.get(what)
    if words:
        programs.run([*words["argv"], name], text=words["stdin"], timeout=_PATIENCE_S)
