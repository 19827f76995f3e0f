"""What can stand in the way of a backup."""


class BackupError(Exception):
    """Report something that stands in the way, in a sentence."""


class ChangedError(BackupError):
    """Report something that changed while it was read: the same once more may succeed."""


class BusyError(BackupError):
    """Report something that is in the hands of somebody else just now."""


class LockedError(BackupError):
    """Report a repository at which somebody else has been for too long."""


class DamagedError(BackupError):
    """Report a set that is not what was stored: the same once more will not succeed."""


class DisputedError(BackupError):
    """Report a set of which there are several that are not the same: a person has to say which is meant."""


class EndedError(BackupError):
    """Report words of a program that ended before they were complete."""


class VainError(BackupError):
    """Report what a program says that tries again and again what cannot come about."""
