"""SNS: messages arrive, as mail in files and as requests to loopback, and what became of each is recorded."""

from localcloud.alerts.control import certificate, install, start, stop
from localcloud.alerts.envelope import CERTIFICATE_PATH
from localcloud.alerts.journal import JOURNAL

__all__ = ["CERTIFICATE_PATH", "JOURNAL", "certificate", "install", "start", "stop"]
