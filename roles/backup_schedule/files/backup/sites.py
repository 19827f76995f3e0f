"""What a site's configuration says, read where the bench may write."""

import contextlib
import json
import os

from backup.files import open_folder, open_regular
from backup.sets import CONFIG


def config(place, site):
    """Return the configuration of a site in a folder, {} where there is none; never by a link, nor out of a pipe."""
    folder = None
    with contextlib.ExitStack() as opened:
        try:
            for name in (place, site):
                folder = open_folder(name, folder)
                opened.callback(os.close, folder)
            with open_regular(CONFIG, folder) as file:
                said = json.loads(file.read())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
    return said if isinstance(said, dict) else {}
