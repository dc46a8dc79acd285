"""One object for the whole system."""

import time
from functools import cached_property
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hundredfold.chassis.config import address_of
from hundredfold.chassis.errors import ServiceError, Unavailable
from hundredfold.client.catalog import CatalogClient
from hundredfold.client.connection import Connection
from hundredfold.client.embedding import EmbeddingClient
from hundredfold.client.hashing import HashingClient
from hundredfold.client.index import IndexClient
from hundredfold.client.labels import LabelsClient
from hundredfold.client.runs import RunsClient
from hundredfold.client.selection import SelectionClient
from hundredfold.client.training import TrainingClient

SERVICES = ("catalog", "hashing", "embedding", "index", "selection", "training", "labels")


class Client:
    """The services of hundredfold.

    Every call has a deadline, is tried again while a service is away for a moment, and raises a
    `hundredfold.chassis.errors.ServiceError`.

        with Client() as client:
            for lease in client.labels.lease("clothing", "ada"):
                ...
    """

    def __init__(self, connection: Connection | None = None) -> None:
        self._connection = connection or Connection()
        self._channels: dict[str, grpc.Channel] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channels."""
        for channel in self._channels.values():
            channel.close()

    @cached_property
    def catalog(self) -> CatalogClient:
        """Collections, images, schemas."""
        return CatalogClient(self._channel("catalog"))

    @cached_property
    def hashing(self) -> HashingClient:
        """Hashes and copies."""
        return HashingClient(self._channel("hashing"))

    @cached_property
    def embedding(self) -> EmbeddingClient:
        """Vectors."""
        return EmbeddingClient(self._channel("embedding"))

    @cached_property
    def index(self) -> IndexClient:
        """Search, clusters, the map."""
        return IndexClient(self._channel("index"))

    @cached_property
    def selection(self) -> SelectionClient:
        """The loop."""
        return SelectionClient(self._channel("selection"))

    @cached_property
    def training(self) -> TrainingClient:
        """Heads and predictions."""
        return TrainingClient(self._channel("training"))

    @cached_property
    def labels(self) -> LabelsClient:
        """Pages, decisions, labels."""
        return LabelsClient(self._channel("labels"))

    def runs(self, service: str) -> RunsClient:
        """The runs of a service that has runs."""
        return RunsClient(service, self._channel(service))

    def is_serving(self, service: str, *, seconds: float = 1.0) -> bool:
        """Whether a service and what it depends on are ready."""
        name = f"hundredfold.api.{service}.v1.{service.capitalize()}Service"
        return self._is_healthy(service, name, seconds)

    def is_alive(self, service: str, *, seconds: float = 1.0) -> bool:
        """Whether the process of a service answers."""
        return self._is_healthy(service, "", seconds)

    def require(self, *services: str, seconds: float = 15.0) -> None:
        """Wait a moment for services to answer, before work that outlasts restarts is begun.

        Raises:
            Unavailable: one has not answered in that time; tells which, where, and what to do.
        """
        until = time.monotonic() + seconds
        for service in services:
            while not self.is_alive(service):
                if time.monotonic() > until:
                    address = address_of(service, self._connection.environ)
                    raise Unavailable(
                        f"{service} does not answer at {address}: start the system with "
                        f"`hundredfold up`, or set HUNDREDFOLD_{service.upper()}_ADDRESS",
                        reason="NOT_RUNNING",
                    )
                time.sleep(0.2)

    def _is_healthy(self, service: str, name: str, seconds: float) -> bool:
        stub = health_pb2_grpc.HealthStub(self._channel(service))
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=seconds)
        except ServiceError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _channel(self, service: str) -> grpc.Channel:
        if service not in self._channels:
            self._channels[service] = self._connection.channel(service)
        return self._channels[service]
