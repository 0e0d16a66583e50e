"""What can be set about the payload store in S3."""

from datetime import timedelta

import msgspec

from nexus_core.adapters.s3.addresses import Addressing
from nexus_core.adapters.s3.location import Location
from nexus_core.settings.values import Secret

SMALLEST_PART = 5 * 1024**2
"""In bytes; S3 refuses smaller parts, the last apart."""
LARGEST_PART = 5 * 1024**3
"""In bytes; nothing larger can be sent in one request."""


class S3Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bucket is, who we are to it, and how patient we are with it."""

    location: Location
    endpoint: str = ""
    """URL of the server; empty: Amazon's, for the region."""
    region: str = ""
    """Empty: what the environment or AWS configuration files say, else `us-east-1`."""
    access_key_id: str = ""
    """Empty: credentials come from AWS's default chain, and are renewed by it."""
    secret_access_key: Secret = Secret("")
    session_token: Secret = Secret("")
    addressing: Addressing = Addressing.AUTO
    presigned: bool = True
    """Whether URLs lead to the server; they lead to a scheduler otherwise."""
    ca_file: str = ""
    """Certificates to trust, in PEM; empty: those that AWS's configuration or botocore name."""
    connections: int = 64
    """At most, for bodies that are sent; as many again for all else."""
    connect_timeout: timedelta = timedelta(seconds=3)
    """For one try to connect."""
    timeout: timedelta = timedelta(seconds=30)
    """For one operation with all its tries; for one part or piece of a large body."""
    attempts: int = 3
    """Tries of one operation, the first included, where trying again may help."""
    part_size: int = 8 * 1024**2
    """In bytes; larger bodies go in parts of this size. At least `SMALLEST_PART`."""
