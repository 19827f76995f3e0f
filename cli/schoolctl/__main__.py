"""Start fast: the version is told before anything heavy is imported."""

import sys

from schoolctl import __version__


def main() -> None:
    """Run the command line of this process."""
    if sys.argv[1:] == ["--version"]:
        print(f"schoolctl {__version__}")
        return
    from schoolctl.app import run

    run()


if __name__ == "__main__":
    main()
