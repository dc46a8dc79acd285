"""Where the services are, and a channel to each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc

from hundredfold.chassis.client import connect
from hundredfold.chassis.config import address_of


@dataclass(frozen=True)
class Connection:
    """How to reach the services.

    Attributes:
        environ: HUNDREDFOLD_<SERVICE>_ADDRESS names a service; else it is on this machine at its
            default port. HUNDREDFOLD_TOKEN is the bearer token, HUNDREDFOLD_TLS_CA the certificate
            authority when the services speak TLS.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def channel(self, service: str) -> grpc.Channel:
        """A channel whose calls have a deadline, retry and raise `ServiceError`."""
        return connect(
            address_of(service, self.environ),
            token=self.environ.get("HUNDREDFOLD_TOKEN", ""),
            tls_ca=self.environ.get("HUNDREDFOLD_TLS_CA", ""),
        )
