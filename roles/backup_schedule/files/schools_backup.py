#!/usr/bin/python3 -I
"""Start the program for backups, whose modules lie in /usr/local/lib/schools/backup."""

import sys

sys.path.insert(0, "/usr/local/lib/schools")

from backup.__main__ import main

main()
