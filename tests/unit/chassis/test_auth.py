import hashlib
import json
import os

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from hundredfold.api.common.v1 import access_pb2
from hundredfold.api.runs.v1 import runs_pb2
from hundredfold.chassis import auth
from hundredfold.chassis.context import ANYBODY, NOBODY, Caller
from hundredfold.chassis.errors import (
    InvalidArgument,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)


def entry(token, subject="ann", role="labeler", **more):
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"sha256": digest, "subject": subject, "role": role, **more}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens.json"


def write(path, *entries):
    path.write_text(json.dumps(entries))
    # Two writes may fall into one tick of the file system's clock.
    write.count = getattr(write, "count", 0) + 1
    os.utime(path, ns=(write.count * 10**9, write.count * 10**9))


def test_a_known_token_has_a_subject_and_a_role(path):
    write(path, entry("one"), entry("two", "bob", "admin"))
    tokens = auth.TokenFile(str(path))
    assert tokens.bearer("Bearer one") == Caller("ann", access_pb2.ROLE_LABELER)
    assert tokens.bearer("bearer two") == Caller("bob", access_pb2.ROLE_ADMIN)


@pytest.mark.parametrize("header", ["", "one", "Bearer", "Bearer ", "Basic one", "Bearer two"])
def test_anything_but_a_known_bearer_token_is_refused(path, header):
    write(path, entry("one"))
    with pytest.raises(Unauthenticated):
        auth.TokenFile(str(path)).bearer(header)


def test_an_expired_token_is_refused(path):
    write(path, entry("old", expires_at=1), entry("new", expires_at=4e9))
    tokens = auth.TokenFile(str(path))
    assert tokens.bearer("Bearer new").subject == "ann"
    with pytest.raises(Unauthenticated) as caught:
        tokens.bearer("Bearer old")
    assert caught.value.reason == "EXPIRED"


def test_a_changed_file_counts_at_once(path):
    write(path, entry("one"))
    tokens = auth.TokenFile(str(path))
    write(path, entry("two"))
    assert tokens.bearer("Bearer two").subject == "ann"
    with pytest.raises(Unauthenticated):
        tokens.bearer("Bearer one")


@pytest.mark.parametrize(
    "break_it", [lambda path: path.unlink(), lambda path: path.write_text("[")]
)
def test_while_the_file_is_bad_nobody_is_let_in(path, break_it):
    write(path, entry("one"))
    tokens = auth.TokenFile(str(path))
    break_it(path)
    for _ in range(2):
        with pytest.raises(Unavailable):
            tokens.bearer("Bearer one")
    write(path, entry("one"))
    assert tokens.bearer("Bearer one").subject == "ann"


def test_a_certificate_has_a_subject_and_a_role(path):
    write(path, {"certificate": "labels.internal", "subject": "labels", "role": "service"})
    tokens = auth.TokenFile(str(path))
    assert tokens.certificate("labels.internal") == Caller("labels", access_pb2.ROLE_SERVICE)
    for name in ("other", ""):
        with pytest.raises(Unauthenticated):
            tokens.certificate(name)


def test_an_entry_of_a_certificate_admits_no_token(path):
    write(path, {"certificate": "x", "subject": "labels", "role": "service"})
    with pytest.raises(Unauthenticated):
        auth.TokenFile(str(path)).bearer("Bearer x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "[{}]",
        json.dumps([{"subject": "a", "role": "admin"}]),
        json.dumps([entry("x", role="god")]),
        json.dumps([entry("x", role="unspecified")]),
        json.dumps([entry("x", role=["admin"])]),
        json.dumps([entry("x", expires_at="soon")]),
        json.dumps([{**entry("x"), "sha256": "x"}]),
        json.dumps([{**entry("x"), "certificate": "x"}]),
    ],
)
def test_a_server_does_not_start_on_a_bad_file(path, text):
    path.write_text(text)
    with pytest.raises(InvalidArgument) as caught:
        auth.TokenFile(str(path))
    assert caught.value.field == "tokens"


def test_a_server_does_not_start_without_its_file(path):
    with pytest.raises(InvalidArgument):
        auth.TokenFile(str(path))


ROLES = [number for number in access_pb2.Role.values() if number]


@pytest.mark.parametrize("least", ROLES)
def test_a_role_may_do_what_the_roles_before_it_may(least):
    for role in ROLES:
        if role >= least:
            auth.check(Caller("x", role), least)
        else:
            with pytest.raises(PermissionDenied):
                auth.check(Caller("x", role), least)
    with pytest.raises(PermissionDenied):
        auth.check(NOBODY, least)


def test_nobody_may_do_what_has_no_rule():
    with pytest.raises(PermissionDenied):
        auth.check(ANYBODY, access_pb2.ROLE_UNSPECIFIED)


def test_the_rules_are_those_of_the_proto():
    service = runs_pb2.DESCRIPTOR.services_by_name["RunsService"]
    rules = auth.rules(service)
    assert rules["/hundredfold.api.runs.v1.RunsService/GetRun"] == access_pb2.ROLE_VIEWER
    assert rules["/hundredfold.api.runs.v1.RunsService/CancelRun"] == access_pb2.ROLE_ADMIN
    assert len(rules) == len(service.methods)


def test_a_method_without_a_rule_is_refused():
    file = descriptor_pb2.FileDescriptorProto(name="bare.proto", package="bare", syntax="proto3")
    file.message_type.add(name="Nothing")
    method = file.service.add(name="BareService").method.add(name="Do")
    method.input_type = method.output_type = ".bare.Nothing"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    with pytest.raises(InvalidArgument, match=r"bare\.BareService\.Do"):
        auth.rules(pool.FindServiceByName("bare.BareService"))
