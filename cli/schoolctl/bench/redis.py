"""Redis commands: what the cache and the queue keep of one site, asked for inside their own containers.

The password is read there from the container's own configuration, so it is in no argument and leaves no container.
Each command is one script, which Redis runs without a pause: nothing is half forgotten.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from schoolctl.transport.base import Command

CACHE = "schools-cache"
QUEUE = "schools-queue"

# The text is always this one; what differs comes after it, as arguments that no shell reads.
_CLIENT = 'export REDISCLI_AUTH="$(sed -n "s/^requirepass //p" /etc/redis/schools.conf)"; exec redis-cli -e "$@"'
# Nothing that would stand for other names in a pattern.
_PLAIN = re.compile(r"[a-z0-9.-]+")

_SCRIPT = """
local function each(pattern, visit)
  local cursor = '0'
  repeat
    local found = redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000)
    cursor = found[1]
    for _, key in ipairs(found[2]) do visit(key, redis.call('TYPE', key).ok) end
  until cursor == '0'
end
-- Frappe names a job after its site; what stands between differs by release.
local function is_own(id)
  local site = ARGV[1]
  local between = string.sub(id, #site + 1, #site + 2)
  return string.sub(id, 1, #site) == site and (between == '::' or between == '||')
end
local count = 0
"""

_FORGET_CACHE = """
each(ARGV[1] .. '|*', function(key) count = count + redis.call('UNLINK', key) end)
return count
"""

_PENDING = """
each('rq:job:' .. ARGV[1] .. '*', function(key, kind)
  if kind == 'hash' and is_own(string.sub(key, 8)) then
    local status = redis.call('HGET', key, 'status')
    if status == 'queued' or status == 'started' then count = count + 1 end
  end
end)
return count
"""

# Jobs and their results have keys of their own; queues are lists of their names, registries are sorted sets of them.
_FORGET_JOBS = """
each('rq:*', function(key, kind)
  local id = string.match(key, '^rq:job:(.*)$') or string.match(key, '^rq:results:(.*)$')
  if id then
    if is_own(id) then count = count + redis.call('UNLINK', key) end
  elseif kind == 'list' then
    for _, name in ipairs(redis.call('LRANGE', key, 0, -1)) do
      if is_own(name) then count = count + redis.call('LREM', key, 0, name) end
    end
  elseif kind == 'zset' then
    for _, name in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      if is_own(name) then count = count + redis.call('ZREM', key, name) end
    end
  end
end)
return count
"""

# What nobody can work on stays in a queue until a worker comes across it: only jobs that are there have an age.
_QUEUES = """
local queues, failed = {}, {}
each('rq:queue:*', function(key, kind)
  if kind ~= 'list' then return end
  local oldest
  for _, id in ipairs(redis.call('LRANGE', key, 0, 99)) do
    local moment = redis.call('HGET', 'rq:job:' .. id, 'enqueued_at')
    if moment and (not oldest or moment < oldest) then oldest = moment end
  end
  queues[string.match(key, '[^:]*$')] = {waiting = redis.call('LLEN', key), oldest = oldest}
end)
each('rq:failed:*', function(key, kind)
  if kind ~= 'zset' then return end
  for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    local site = string.match(id, '^([a-z0-9.-]+)::') or string.match(id, '^([a-z0-9.-]+)||') or ''
    failed[site] = (failed[site] or 0) + 1
  end
end)
return cjson.encode({now = redis.call('TIME')[1], queues = queues, failed = failed})
"""


@dataclass(frozen=True, slots=True)
class Queues:
    """What waits for the workers: by queue how many jobs, and how long the oldest has waited (s); failed: by site."""

    waiting: Mapping[str, int]
    oldest: Mapping[str, float]
    failed: Mapping[str, int]


def forget_cache(database: str) -> Command:
    """Remove what is cached of the site with this database: Frappe begins each key with its name. Prints how many."""
    return _evaluate(CACHE, _FORGET_CACHE, database)


def pending_jobs(site: str) -> Command:
    """Print how many jobs of a site wait or run."""
    return _evaluate(QUEUE, _PENDING, site)


def forget_jobs(site: str) -> Command:
    """Remove every job of a site, waiting or over, with its result and from every list. Prints how many entries."""
    return _evaluate(QUEUE, _FORGET_JOBS, site)


def queues() -> Command:
    """Print what waits in each queue and what failed, of all sites; read by `queues_of`."""
    return _evaluate(QUEUE, _QUEUES)


def queues_of(printed: str) -> Queues:
    """Return what `queues` printed."""
    found = json.loads(printed)
    now = datetime.fromtimestamp(int(found["now"]), UTC)
    # Lua writes an empty table as a list.
    rows, failed = dict(found["queues"] or {}), dict(found["failed"] or {})
    return Queues(
        {name: row["waiting"] for name, row in rows.items()},
        {
            name: max(0.0, (now - datetime.fromisoformat(row["oldest"])).total_seconds())
            for name, row in rows.items()
            if "oldest" in row
        },
        failed,
    )


def _evaluate(container: str, script: str, *names: str) -> Command:
    for name in names:
        if not _PLAIN.fullmatch(name):
            raise ValueError(f"{name!r} could stand for the keys of other sites")
    client = ("docker", "exec", "-i", container, "sh", "-c", _CLIENT, "redis-cli")
    # -X takes the script from stdin, so that an error shows a line that people can read.
    return Command((*client, "-X", "script", "EVAL", "script", "0", *names), _SCRIPT + script)


def _without_name(container: str, script: str) -> dict[str, str | list[str]]:
    command = _evaluate(container, script)
    return {"argv": list(command.argv), "stdin": command.stdin}


# What the server's own program says of sites that it makes and takes away: the site's name comes behind the argv.
SCRIPTS = {
    "forget_cache": _without_name(CACHE, _FORGET_CACHE),
    "forget_jobs": _without_name(QUEUE, _FORGET_JOBS),
    "pending_jobs": _without_name(QUEUE, _PENDING),
}
