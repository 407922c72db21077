"""Route 53's records: which ones a zone takes, what it answers with, and where names lead on this machine."""

from localcloud.dns import api, recordsets


def install() -> None:
    """Check records, and answer TestDNSAnswer."""
    recordsets.install()
    api.install()
