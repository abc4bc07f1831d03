"""Old path of `client.data_exchanger`."""

from .client.data_exchanger import DataExchanger
from .errors import DownloadError

__all__ = ["DataExchanger", "DownloadError"]
