"""Who may call what, over a real server: every RPC of the system, every kind of caller."""

import hashlib
import json
import shutil
import subprocess

import grpc
import pytest

from hundredfold.api.common.v1 import access_pb2
from hundredfold.chassis import context
from hundredfold.chassis.client import connect
from hundredfold.chassis.config import ServerConfig
from hundredfold.chassis.errors import InvalidArgument, ServiceError, Unauthenticated, Unavailable
from hundredfold.chassis.server import Mount, build_server
from hundredfold.chassis.testing import running, serving
from tests.contract.chassis_mounts import call, echo, get, run, runs, services

ROLES = {
    name.removeprefix("ROLE_").lower(): number
    for name, number in access_pb2.Role.items()
    if number != access_pb2.ROLE_UNSPECIFIED
}
SERVICES = list(services())
METHODS = [method for service in SERVICES for method in service.methods]


def entry(token, role, **more):
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"sha256": digest, "subject": f"{role}-1", "role": role, **more}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    path = tmp_path_factory.mktemp("auth") / "tokens.json"
    entries = [entry(role, role) for role in ROLES]
    path.write_text(json.dumps([*entries, entry("expired", "service", expires_at=1)]))
    return str(path)


@pytest.fixture(scope="module")
def guarded(tokens):
    config = ServerConfig(tokens=tokens)
    with (
        running(*map(echo, SERVICES), config=config) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        yield channel


def outcome(channel, method, authorization):
    metadata = [("authorization", value) for value in authorization]
    try:
        call(channel, method, metadata=metadata, timeout=5)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def test_the_matrix_covers_the_whole_api():
    assert {service.name for service in SERVICES} >= {
        f"{name}Service"
        for name in [
            "Catalog",
            "Hashing",
            "Embedding",
            "Index",
            "Selection",
            "Training",
            "Labels",
            "Runs",
        ]
    }


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_an_rpc_admits_its_roles_and_nobody_else(guarded, method):
    least = method.GetOptions().Extensions[access_pb2.access].least
    assert least in ROLES.values(), "every RPC needs an access option"
    for role, number in ROLES.items():
        wanted = "OK" if number >= least else "PERMISSION_DENIED"
        assert outcome(guarded, method, [f"Bearer {role}"]) == wanted, role
    for bad in (
        [],
        ["Basic admin"],
        ["admin"],
        ["Bearer nobody"],
        ["Bearer expired"],
        ["Bearer service"] * 2,
    ):
        assert outcome(guarded, method, bad) == "UNAUTHENTICATED", bad


def test_health_is_open_and_reflection_is_for_viewers(guarded):
    health = guarded.unary_unary("/grpc.health.v1.Health/Check")
    assert health(b"", timeout=5) == b"\x08\x01"
    reflect = guarded.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    )
    with pytest.raises(grpc.RpcError) as caught:
        next(reflect(iter([b""])))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert next(reflect(iter([b":\x01*"]), metadata=[("authorization", "Bearer viewer")]))


def test_the_handler_knows_its_caller(tokens):
    seen = []

    def handler(*_):
        seen.append(context.caller())
        return run()

    config = ServerConfig(tokens=tokens, token="reviewer")  # noqa: S106  # a token of this test
    with serving(runs(get=handler), config=config) as channel:
        get(channel)
    with serving(runs(get=handler)) as channel:
        get(channel)
    assert seen == [context.Caller("reviewer-1", access_pb2.ROLE_REVIEWER), context.ANYBODY]


def test_the_handler_does_not_run_for_the_wrong_caller(tokens):
    seen = []
    config = ServerConfig(tokens=tokens)
    with serving(runs(get=seen.append), config=config) as channel, pytest.raises(Unauthenticated):
        get(channel)
    assert not seen


def test_a_service_with_a_method_without_a_rule_is_not_mounted():
    health = pytest.importorskip("grpc_health.v1.health_pb2").DESCRIPTOR
    bare = Mount(health.services_by_name["Health"], lambda *_: None, None)
    with pytest.raises(InvalidArgument, match=r"grpc\.health\.v1\.Health\.Check"):
        build_server(ServerConfig(), "test", [bare])


@pytest.mark.parametrize(
    "bind", ["0.0.0.0:0", "[::]:0", "example.org:0", "127.0.0.1", ":0", "127.0.0.1:x"]
)
def test_without_tokens_a_server_stays_on_this_machine(bind):
    with pytest.raises(InvalidArgument) as caught:
        build_server(ServerConfig(bind=bind), "test", [runs()])
    assert caught.value.field == "bind"


@pytest.mark.parametrize("insecure", [True, False])
def test_with_tokens_or_by_order_it_may_be_reached_from_elsewhere(tokens, insecure):
    config = ServerConfig(
        bind="0.0.0.0:0",
        insecure=insecure,
        tokens="" if insecure else tokens,
        token="admin",  # noqa: S106  # a token of this test
    )
    with serving(runs(get=lambda *_: run(run_id="x")), config=config) as channel:
        assert get(channel).run_id == "x"


# --- TLS ----------------------------------------------------------------------------------------

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(not OPENSSL, reason="makes certificates with openssl")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with an authority `ca`, another `rogue`, and certificates: server, labels, stranger (of rogue)."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run([OPENSSL, *arguments], cwd=folder, check=True, capture_output=True)

    def make(name, *issuer):
        openssl(
            *[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ],
            *("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", f"{name}.key", "-out", f"{name}.pem", *issuer),
        )

    make("ca")
    make("rogue")
    for name, authority in (("server", "ca"), ("labels", "ca"), ("stranger", "rogue")):
        make(name, "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key")
    (folder / "tokens.json").write_text(
        json.dumps([{"certificate": "labels", "subject": "labels-1", "role": "service"}])
    )
    return folder


def tls(folder, **more):
    return ServerConfig(
        tls_certificate=str(folder / "server.pem"), tls_key=str(folder / "server.key"), **more
    )


@needs_openssl
def test_tls_serves_those_who_trust_its_authority(certificates):
    with running(runs(get=lambda *_: run(run_id="x")), config=tls(certificates)) as server:
        with connect(server.address, tls_ca=str(certificates / "ca.pem")) as channel:
            assert get(channel).run_id == "x"
        for options in ({}, {"tls_ca": str(certificates / "rogue.pem")}):
            with connect(server.address, **options) as channel, pytest.raises(Unavailable):
                get(channel)


@needs_openssl
def test_mtls_admits_certificates_of_its_authority_by_their_name(certificates):
    config = tls(
        certificates,
        tls_client_ca=str(certificates / "ca.pem"),
        tokens=str(certificates / "tokens.json"),
    )

    def get_as(server, name):
        files = {"tls_certificate": f"{name}.pem", "tls_key": f"{name}.key"} if name else {}
        options = {key: str(certificates / file) for key, file in files.items()}
        with connect(server.address, tls_ca=str(certificates / "ca.pem"), **options) as channel:
            return get(channel)

    whoami = runs(get=lambda *_: run(run_id=context.caller().subject))
    with running(whoami, config=config) as server:
        assert get_as(server, "labels").run_id == "labels-1"
        with pytest.raises(Unauthenticated):
            get_as(server, "server")  # of the authority, but not in the file
        for name in ("", "stranger"):
            with pytest.raises(ServiceError) as caught:
                get_as(server, name)
            assert caught.value.code == "UNAVAILABLE"


@pytest.mark.parametrize(
    "half", [{"tls_certificate": "x"}, {"tls_key": "x"}, {"tls_client_ca": "x"}]
)
def test_half_a_tls_setting_is_refused(half):
    with pytest.raises(InvalidArgument):
        build_server(ServerConfig(**half), "test", [runs()])


def test_a_client_certificate_without_tls_is_refused():
    with pytest.raises(InvalidArgument):
        connect("127.0.0.1:1", tls_certificate="x", tls_key="x")
