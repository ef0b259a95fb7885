"""Who may use a service and how much of it; what is kept of who wrote what and of shoppers' events."""

from aisle.serve.security.bind import check_bind
from aisle.serve.security.guard import Principal, Security
from aisle.serve.security.install import install
from aisle.serve.security.settings import SecuritySettings

__all__ = ["Principal", "Security", "SecuritySettings", "check_bind", "install"]
