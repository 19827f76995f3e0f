"""The server's backup program in memory, with the targets that it stores sets in."""

import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from tests.support.server_model import Database, ServerModel

ISO = "%Y-%m-%dT%H:%M:%SZ"
PARTS = ("_head.sql", "_rest.sql")


class ProgramError(Exception):
    """What the program says when it cannot do something."""


@dataclass
class TargetModel:
    """One repository: sets by school and name, each with its files. fault: why it cannot be reached.

    is_made: whether there is a repository. damage: what a check finds. full: why nothing more can be stored.
    fault_of_second: why no set can be once one was.
    """

    append_only: bool = False
    fault: str | None = None
    is_made: bool = True
    damage: str | None = None
    full: str | None = None
    fault_of_second: str | None = None
    sets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)


def digest(text: str) -> str:
    """Return the SHA-256 of a file of the model."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def order(name: str) -> tuple[str, int]:
    """Return what sorts sets by when they were taken."""
    moment, _, number = name.partition("-")
    return moment, int(number or 1)


class BackupModel:
    """Answer the program's calls. logging: the database keeps a log; changes: its moments, databases and new tables."""

    def __init__(self, server: "ServerModel", root: str) -> None:
        self.server = server
        self.root = root
        self.targets: dict[str, TargetModel] = {"local": TargetModel(), "offsite": TargetModel(append_only=True)}
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.has_key = True
        self.stale_hours, self.drill_days = 30, 7
        self.logging = False
        self.changes: list[tuple[str, str, str]] = []
        self.log_fault: str | None = None
        # Until when a target alone has logs, and whose were asked for.
        self.log_ends: dict[str, str] = {}
        # A table that gets lost on the way into a database.
        self.loses: str | None = None
        # Databases with a routine that would break out of its statement.
        self.carries_no_dump: set[str] = set()
        # Schools that the schedule is at, and whether it comes to an end with them.
        self.busy: set[str] = set()
        self.ends = True
        # Sets of which each target has several that are not the same.
        self.disputed: set[str] = set()
        # Targets before which an upload changes, so that the set is taken once more, and goes to those that have it.
        self.changed_for: set[str] = set()
        # Whether it is of a time when nobody could wait for it, nor hear who lacks the inventory.
        self.is_older = False
        # When the image that runs was built.
        self.built = "2025-01-01T00:00:00Z"
        self.inventory: dict[str, str] = {}
        # The targets in which it was stored behind a command.
        self.stored_inventories: list[str] = []

    @property
    def folder(self) -> str:
        return f"{self.root}/backups"

    # --- what a test asks --------------------------------------------------------------------------------------------

    def names(self, slug: str, target: str = "local") -> list[str]:
        """Return the sets of a school in a target, oldest first."""
        return sorted((name for school, name in self.targets[target].sets if school == slug), key=order)

    def declared(self) -> list[str]:
        """Return the schools that are declared to the program."""
        return [name.removesuffix(".json") for name in self.server.names_in(f"{self.folder}/declared")]

    def files_of(self, slug: str, name: str, target: str = "local") -> dict[str, str]:
        return self.targets[target].sets[slug, name]

    def set_back(self, slug: str, name: str, moment: str) -> str:
        """Let a set have been taken at another moment (ISO); return its name then."""
        new = moment.replace("-", "").replace(":", "")
        for target in self.targets.values():
            if files := target.sets.pop((slug, name), None):
                manifest = {**json.loads(files["manifest.json"]), "set": new, "taken": moment}
                target.sets[slug, new] = {**files, "manifest.json": json.dumps(manifest)}
        with_name = self.standing()
        school = with_name["schools"][slug]
        school["known"][new] = {**school["known"].pop(name), "taken": moment}
        self._keep_standing(with_name)
        return new

    @property
    def runs(self) -> str:
        """The image that runs the schools."""
        return str(self.server.containers["schools-web"]["image"])

    def run_image(self, name: str, built: str) -> None:
        """Let the schools run by another image, which was built at a moment (ISO)."""
        self.server.containers["schools-web"]["image"] = name
        self.built = built

    def facts(self) -> dict[str, Any]:
        """Return what the agent tells of backups."""
        return {
            "targets": list(self.targets),
            "stale_hours": self.stale_hours,
            "drill_days": self.drill_days,
            "has_key": self.has_key,
            "has_log": self.logging,
            "expected": {
                slug: self.clock().strftime(ISO) for slug in self.declared() if self._row(slug).get("state") != "closed"
            },
            "standing": self.standing(),
        }

    # --- the calls ---------------------------------------------------------------------------------------------------

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one request, as the program gives it."""
        if self.is_older and request["call"] in {"wait", "dump", "compare_image"}:
            return {"id": request["id"], "fault": f"there is no call {request['call']!r}"}
        call = getattr(self, f"_do_{request['call']}")
        inspect.signature(call).bind(**request["arguments"])
        try:
            return {"id": request["id"], "result": call(**request["arguments"])}
        except ProgramError as fault:
            return {"id": request["id"], "fault": str(fault)}

    def _do_targets(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "repository": f"/{name}",
                "append_only": target.append_only,
                "initialised": target.is_made and target.fault is None,
                "fault": self._fault(name),
            }
            for name, target in self.targets.items()
        ]

    def _fault(self, name: str) -> str | None:
        target = self.targets[name]
        return target.fault or (None if target.is_made else f"{name}: there is no repository yet")

    def _do_init(self, target: str) -> dict[str, Any]:
        place = self.targets[target]
        if place.fault:
            raise ProgramError(place.fault)
        created, place.is_made = not place.is_made, True
        return {"created": created}

    def _do_check(self, target: str, percent: int) -> dict[str, Any]:
        place = self.targets[target]
        found = place.fault or place.damage
        return {"ok": found is None, "said": found or f"no errors were found, {percent} % of all read"}

    def _do_wait(self, slug: str, patience: int) -> dict[str, Any]:
        if patience and self.ends:
            self.busy.discard(slug)
        return {"busy": f"{slug} is in the hands of the schedule (backup)" if slug in self.busy else None}

    def _do_dump(self, slug: str, folder: str, patience: int = 0) -> dict[str, Any]:
        if busy := self._do_wait(slug, patience)["busy"]:
            raise ProgramError(busy)
        if self.server.below(self.server.inside(folder)):
            raise ProgramError(f"{folder} is already there")
        config, name, database = self._site(slug)
        files = self._dumped(name, database) | {"site_config.json": config}
        manifest = self._manifest(slug, {}, name, database, files, None)
        self._put(folder, {**files, **in_two(manifest)})
        return {"tables": len(database.tables)}

    def _site(self, slug: str) -> tuple[str, str, "Database"]:
        config = self.server.files.get(f"{self.root}/sites/{slug}/site_config.json")
        if config is None:
            raise ProgramError(f"there is no site of {slug} on this server")
        name = json.loads(config)["db_name"]
        if name not in self.server.databases:
            raise ProgramError(f"Unknown database '{name}'")
        return config, name, self.server.databases[name]

    def _dumped(self, name: str, database: "Database") -> dict[str, str]:
        if name in self.carries_no_dump:
            raise ProgramError("a routine of it holds `;;`, which no dump carries safely")
        tables = {f"database/{quote(table, safe=' ')}.sql": self._table(table, database) for table in database.tables}
        return {f"database/{part}": part for part in PARTS} | tables

    def _do_write(self, slug: str) -> dict[str, Any]:
        config, name, database = self._site(slug)
        row = self._row(slug)
        spool = f"{self.folder}/spool/{slug}"
        before = self.server.read_json(f"{spool}/manifest.json")
        self.server.remove(spool)
        files = self._dumped(name, database) | {"site_config.json": config}
        if row.get("certificate") == "own" and slug in self.server.own_certificates:
            files["certificate.pem"] = self.server.own_certificates[slug]
        for kind in ("public", "private"):
            top = f"{self.root}/sites/{slug}/{kind}/files/"
            files |= {
                f"files/{kind}/{path.removeprefix(top)}": text
                for path, text in self.server.files.items()
                if path.startswith(top)
            }
        manifest = self._manifest(slug, row, name, database, files, before)
        self._put(spool, {**files, **in_two(manifest)})
        known = self._known(manifest)
        standing = self.standing()
        school = standing["schools"].setdefault(slug, {"sets": {}, "known": {}, "drill": None, "fault": None})
        school["known"][manifest["set"]] = {**known, "targets": []}
        self._keep_standing(standing)
        return {
            "set": manifest["set"],
            "rows": 3,
            "seconds": 0.1,
            **{key: known[key] for key in known if key in COUNTS},
        }

    def _do_store(self, slug: str, target: str) -> dict[str, Any]:
        others: dict[str, dict[str, Any]] = {}
        if target in self.changed_for:
            self.changed_for.discard(target)
            before = self.names(slug)[-1:]
            having = [name for name in self.targets if name != target and self.names(slug, name)[-1:] == before]
            self._do_write(slug)
            done = self._stored(slug, target)
            for name in having:
                try:
                    others[name] = {**self._stored(slug, name), "fault": None}
                except ProgramError as fault:
                    others[name] = {"fault": str(fault)}
            return {**done, "others": others}
        return {**self._stored(slug, target), "others": others}

    def _stored(self, slug: str, target: str) -> dict[str, Any]:
        place = self._target(target)
        spool = f"{self.folder}/spool/{slug}/"
        files = {path.removeprefix(spool): text for path, text in self.server.files.items() if path.startswith(spool)}
        manifest = whole(files)
        standing = self.standing()
        school = standing["schools"][slug]
        row = school["sets"].setdefault(target, {"newest": None, "taken": None, "fault": None})
        fault = place.fault or (place.fault_of_second if place.sets else None)
        if fault:
            row["fault"] = fault
            self._keep_standing(standing)
            raise ProgramError(f"{target}: {fault}")
        place.sets[slug, manifest["set"]] = files
        row |= {"newest": manifest["set"], "taken": manifest["taken"], "fault": None}
        entry = school["known"].setdefault(manifest["set"], {**self._known(manifest), "targets": []})
        entry["targets"] = sorted({*entry["targets"], target})
        self._keep_standing(standing)
        size = sum(map(len, files.values()))
        stored = {"set": manifest["set"], "snapshot": digest(manifest["set"])[:8]}
        return {**stored, "added_bytes": size, "bytes": size, "seconds": 0.2}

    def _do_sets(self, slug: str | None, target: str | None) -> list[dict[str, Any]]:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for name in [target] if target else list(self.targets):
            place = self._target(name)
            if place.fault and target:
                raise ProgramError(f"{name}: {place.fault}")
            for (school, set_id), files in {} if place.fault else place.sets.items():
                if slug in {None, school}:
                    known = self._known(whole(files))
                    row = found.setdefault((school, set_id), {"slug": school, "set": set_id, **known, "targets": []})
                    row["targets"].append(name)
                    row["disputed"] = row["targets"] if set_id in self.disputed else []
        return sorted(found.values(), key=lambda row: (order(row["set"]), row["slug"]))

    def _do_fetch(
        self,
        slug: str,
        set: str | None,  # noqa: A002 - as the program has it
        before: str | None,
        target: str | None,
        folder: str,
        or_older: bool,
    ) -> dict[str, Any]:
        if self.server.below(self.server.inside(folder)):
            raise ProgramError(f"{folder} is already there")
        set, _, snapshot = (set or "").partition("@")  # noqa: A001 - as the program has it
        if set in self.disputed and not snapshot:
            raise ProgramError(f"local has the set {set} more than once: they are {set}@1a1a1a1a, {set}@2b2b2b2b")
        try:
            return self._fetched(slug, set, target, folder)
        except ProgramError:
            names = sorted({name for place in self.targets.values() for school, name in place.sets if school == slug})
            older = [name for name in names if set and order(name) < order(set)]
            if not or_older or not older:
                raise
            return self._do_fetch(slug, older[-1], before, target, folder, or_older)

    def _do_row(self, slug: str, set: str | None, before: str | None, target: str | None) -> dict[str, Any]:  # noqa: A002
        found = [row["set"] for row in self._do_sets(slug, target) if before is None or row["taken"] <= before]
        if not found:
            raise ProgramError(f"no set of {slug} is stored")
        name = set or found[-1]
        files = next(place.sets[slug, name] for place in self.targets.values() if (slug, name) in place.sets)
        return {key: value for key, value in whole(files)["school"].items() if key != "slug"}

    def _fetched(self, slug: str, set: str | None, target: str | None, folder: str) -> dict[str, Any]:  # noqa: A002
        faults = []
        for name in [target] if target else list(self.targets):
            place = self._target(name)
            files = place.sets.get((slug, set or ""))
            if place.fault or files is None:
                faults.append(f"{name}: {place.fault or f'there is no set {set} of {slug}'}")
                continue
            if damage := self._damage(files, slug):
                faults.append(f"{name}: {damage}")
                continue
            self._put(folder, files)
            return whole(files)
        raise ProgramError("; ".join(faults))

    def _do_load(self, folder: str, database: str) -> dict[str, Any]:
        found, manifest = self._database(database), self._manifest_in(folder)
        if found.tables:
            raise ProgramError(f"{database} is not empty")
        for table in manifest["database"]["tables"]:
            if table == self.loses:
                continue
            text = self.server.files[f"{folder}/database/{quote(table, safe=' ')}.sql"]
            found.tables.append(table)
            if "\n" in text:
                found.seal = text.partition("\n")[2]
        found.versions = manifest["versions"]
        return {"tables": len(found.tables), "rows": 3, "seconds": 0.1}

    def _do_compare(self, folder: str, database: str) -> dict[str, Any]:
        found, manifest = self._database(database), self._manifest_in(folder)
        now = {table: digest(self._table(table, found)) for table in found.tables}
        tables = manifest["database"]["tables"]
        differing = [name for name in {**tables, **now} if now.get(name) != tables.get(name, {}).get("sha256")]
        return {"differs": sorted(differing)}

    def _do_compare_image(self, manifest: dict[str, Any]) -> dict[str, Any]:
        relation = "newer" if manifest.get("image_built", "") > self.built else "other"
        if manifest.get("image") in {None, self.runs}:
            relation = "same"
        return {"relation": relation if manifest.get("image") else None, "runs": self.runs}

    def _do_give_back_certificate(self, slug: str, folder: str) -> dict[str, Any]:
        if self._row(slug).get("certificate") != "own":
            return {"certificate": "not its own"}
        if slug in self.server.own_certificates:
            return {"certificate": "there"}
        if f"{folder}/certificate.pem" not in self.server.files:
            return {"certificate": "missing"}
        self.server.own_certificates[slug] = self.server.files[f"{folder}/certificate.pem"]
        return {"certificate": "given back"}

    def _do_replay(self, folder: str, database: str, until: str, target: str | None, or_before: bool) -> dict[str, Any]:
        manifest = self._manifest_in(folder)
        if self.log_fault:
            raise ProgramError(self.log_fault)
        ends = self.log_ends.get(target or "", until)
        if ends < until and not or_before:
            words = f"`--at {ends}` is as far as they go; `--or-before` goes as far by itself"
            raise ProgramError(f"the binary logs in {target} reach until {ends}: {words}")
        reached, until = ends if ends < until else None, min(ends, until)
        done = [
            table
            for moment, name, table in self.changes
            if name == manifest["database"]["name"] and manifest["taken"] < moment <= until
        ]
        self._database(database).tables += done
        return {
            "events_until": until,
            "reaches_until": reached,
            "groups": len(done),
            "statements": len(done),
            "seconds": 0.1,
        }

    def _do_drill(self, slug: str, set: str | None, target: str | None) -> dict[str, Any]:  # noqa: A002
        name = target or "local"
        place = self._target(name)
        names = self.names(slug, name)
        if not names:
            raise ProgramError(f"no set of {slug} is stored")
        chosen = set or names[-1]
        if chosen not in names:
            raise ProgramError(f"there is no set {chosen} of {slug}; stored are {', '.join(names)}")
        files = place.sets[slug, chosen]
        fault = place.fault or self._damage(files, slug)
        report = {
            "at": self.clock().strftime(ISO),
            "set": chosen,
            "target": name,
            "ok": fault is None,
            "seconds": 6.0,
            "restore_seconds": 4.2 if fault is None else None,
            "age_seconds": 3600.0,
            "checks": {"compare": {"ok": fault is None, "said": fault or "5 tables are the same", "seconds": 0.1}},
            "fault": fault,
        }
        standing = self.standing()
        standing["schools"][slug]["drill"] = report
        self._keep_standing(standing)
        return report

    def _do_erase(self, slug: str) -> dict[str, Any]:
        done = {}
        for name, target in self.targets.items():
            mine = [key for key in target.sets if key[0] == slug]
            fault = target.fault or ("its sets cannot be removed from here" if target.append_only and mine else None)
            for key in mine if fault is None else ():
                del target.sets[key]
            done[name] = {"removed": 0 if fault else len(mine), "fault": fault}
        self.server.remove(f"{self.folder}/spool/{slug}")
        standing = self.standing()
        standing["schools"].pop(slug, None)
        self._keep_standing(standing)
        return done

    def _do_keep_inventory(self, files: dict[str, str]) -> dict[str, Any]:
        self.inventory, self.stored_inventories = files, []
        if self.has_key:
            standing = self.standing()
            for name in self.targets:
                standing["targets"].setdefault(name, {})["inventory_since"] = self.clock().strftime(ISO)
            self._keep_standing(standing)
        if self.is_older:
            return {}
        return {"lacking": sorted(self.targets) if self.has_key else []}

    def store_inventory(self) -> None:
        """Store it as the server does by itself, and write down which targets could not take it."""
        self.note_targets()
        standing = self.standing()
        for name in (name for name in self.targets if not self._fault(name)):
            full = self.targets[name].full
            standing["targets"][name]["inventory_fault"] = full
            if not full:
                self.stored_inventories.append(name)
                standing["targets"][name]["inventory_since"] = None
        self._keep_standing(standing)

    def note_targets(self) -> None:
        """Write down which targets can be used, as whatever asks them does."""
        standing = self.standing()
        for name in self.targets:
            standing["targets"].setdefault(name, {})["fault"] = self._fault(name)
        self._keep_standing(standing)

    # --- inside ------------------------------------------------------------------------------------------------------

    def standing(self) -> dict[str, Any]:
        found = self.server.read_json(f"{self.folder}/standing.json")
        return found or {"schools": {}, "targets": {}, "logs": {"archived": None, "fault": None}}

    def _keep_standing(self, standing: dict[str, Any]) -> None:
        self.server.put(f"{self.folder}/standing.json", json.dumps(standing))

    def _row(self, slug: str) -> dict[str, Any]:
        declared = self.server.read_json(f"{self.folder}/declared/{slug}.json")
        if declared is None:
            raise ProgramError(f"no school {slug} is declared on this server")
        return dict(declared["row"])

    def _target(self, name: str) -> TargetModel:
        if name not in self.targets:
            raise ProgramError(f"there is no target '{name}'; known: {', '.join(self.targets)}")
        return self.targets[name]

    def _database(self, name: str) -> "Database":
        if name not in self.server.databases:
            raise ProgramError(f"Unknown database '{name}'")
        return self.server.databases[name]

    def _manifest_in(self, folder: str) -> dict[str, Any]:
        names = ("manifest.json", CONTENTS)
        if not all(f"{folder}/{name}" in self.server.files for name in names):
            raise ProgramError(f"there is no set in {folder}")
        return whole({name: self.server.files[f"{folder}/{name}"] for name in names})

    def _put(self, folder: str, files: dict[str, str]) -> None:
        for path, text in files.items():
            parts = f"{folder}/{path}".split("/")
            start = len(self.root.split("/"))
            self.server.folders |= {"/".join(parts[:end]) for end in range(start, len(parts))}
            self.server.put(f"{folder}/{path}", text)

    def _table(self, table: str, database: "Database") -> str:
        # One table holds what is stored encrypted.
        return f"{table}\n{database.seal}" if table == "tabSingles" else table

    def _manifest(
        self,
        slug: str,
        row: dict[str, Any],
        name: str,
        database: "Database",
        files: dict[str, str],
        before: dict[str, Any] | None,
    ) -> dict[str, Any]:
        moment = self.clock()
        set_id = moment.strftime("%Y%m%dT%H%M%SZ")
        if before and before["set"].partition("-")[0] == set_id:
            set_id = f"{set_id}-{int(before['set'].partition('-')[2] or 1) + 1}"
        entries = {path: {"bytes": len(text), "rows": 1, "sha256": digest(text)} for path, text in files.items()}
        tables = {
            unquote(path.removeprefix("database/").removesuffix(".sql")): entry
            for path, entry in entries.items()
            if path.startswith("database/") and not path.endswith(PARTS)
        }
        uploads = {path.removeprefix("files/"): entry for path, entry in entries.items() if path.startswith("files/")}
        log = {"stream": "one", "file": "schools-bin.000001", "position": 4} if self.logging else None
        return {
            "version": 1,
            "set": set_id,
            "taken": moment.strftime(ISO),
            "school": {"slug": slug, **row},
            "site": slug,
            "image": self.runs,
            "image_built": self.built,
            "versions": dict(database.versions if database.versions is not None else self.server.versions),
            "database": {"name": name, "tables": tables, "log": log},
            "files": {
                "count": len(uploads),
                "bytes": sum(row["bytes"] for row in uploads.values()),
                "entries": uploads,
            },
            "config": entries["site_config.json"],
        }

    def _known(self, manifest: dict[str, Any]) -> dict[str, Any]:
        tables = manifest["database"]["tables"].values()
        return {
            "taken": manifest["taken"],
            "bytes": sum(row["bytes"] for row in tables) + manifest["files"]["bytes"],
            "tables": len(tables),
            "files": manifest["files"]["count"],
            "image": manifest["image"],
        }

    def _damage(self, files: dict[str, str], slug: str) -> str | None:
        """Return what is wrong with a stored set."""
        try:
            manifest = whole(files)
        except (KeyError, ValueError):
            return "the manifest is damaged"
        if manifest["school"]["slug"] != slug:
            return f"the set is of '{manifest['school']['slug']}', not of {slug}"
        wanted = {f"database/{quote(name, safe=' ')}.sql": row for name, row in manifest["database"]["tables"].items()}
        wanted |= {f"files/{path}": row for path, row in manifest["files"]["entries"].items()}
        wanted["site_config.json"] = manifest["config"]
        for path, row in wanted.items():
            if path not in files:
                return f"the set {manifest['set']} is damaged: {path} is missing"
            if digest(files[path]) != row["sha256"]:
                return f"the set {manifest['set']} is damaged: {path} is not what the manifest says"
        return None


COUNTS = ("tables", "files", "bytes")
CONTENTS = "contents.json"


def in_two(manifest: dict[str, Any]) -> dict[str, str]:
    """Return a manifest as it is written: what is long lies beside it."""
    database, files = manifest["database"], manifest["files"]
    contents = json.dumps({"tables": database["tables"], "files": files["entries"]}, sort_keys=True)
    short = {
        **manifest,
        "database": {key: value for key, value in database.items() if key != "tables"},
        "files": {key: value for key, value in files.items() if key != "entries"},
        "contents": {"bytes": len(contents), "sha256": digest(contents)},
    }
    return {"manifest.json": json.dumps(short, sort_keys=True), CONTENTS: contents}


def whole(files: dict[str, str]) -> dict[str, Any]:
    """Return a manifest together with what lies beside it."""
    manifest: dict[str, Any] = json.loads(files["manifest.json"])
    contents = json.loads(files[CONTENTS])
    manifest["database"]["tables"], manifest["files"]["entries"] = contents["tables"], contents["files"]
    return manifest


def hours_ago(hours: float) -> datetime:
    """Return a moment in the past."""
    return datetime.now(UTC) - timedelta(hours=hours)
