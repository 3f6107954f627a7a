"""gRPC reflection, calls by what it describes, and the health check, with Google's own packages."""

import json

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from network import CHAIN_ID, DENOM, GRPC, need, refused, run

channel = grpc.insecure_channel(GRPC)
database = ProtoReflectionDescriptorDatabase(channel)
pool = descriptor_pool.DescriptorPool(database)
services = sorted(database.get_services())


def call(service, method, metadata=None, **fields):
    """Calls a method by reflection; the response, or with `metadata` that and the call."""
    found = pool.FindServiceByName(service).FindMethodByName(method)
    request = message_factory.GetMessageClass(found.input_type)(**fields)
    response = message_factory.GetMessageClass(found.output_type)
    unary = channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=lambda m: m.SerializeToString(),
        response_deserializer=response.FromString,
    )
    return unary.with_call(request, timeout=30, metadata=metadata or ())


def described():
    """every service that is listed is described, with its types"""
    assert len(services) > 10, services
    for name in services:
        service = pool.FindServiceByName(name)
        assert service.methods, name
        for method in service.methods:
            assert method.input_type.full_name and method.output_type.full_name
            message_factory.GetMessageClass(method.output_type)


def listed():
    """the services that wallets and explorers ask for are listed"""
    for name in [
        "cosmos.auth.v1beta1.Query",
        "cosmos.bank.v1beta1.Query",
        "cosmos.base.node.v1beta1.Service",
        "cosmos.base.tendermint.v1beta1.Service",
        "cosmos.consensus.v1.Query",
        "cosmos.staking.v1beta1.Query",
        "cosmos.tx.v1beta1.Service",
        "geodesic.epochs.v1.Query",
        "geodesic.pow.v1.Query",
        "geodesic.rewards.v1.Query",
    ]:
        assert name in services, f"{name} is not in {services}"


def answered():
    """each method of each listed service is answered: none is unknown, none is an internal error"""
    bad = []
    for name in services:
        if not name.startswith(("cosmos.", "geodesic.")):
            continue
        for method in pool.FindServiceByName(name).methods:
            try:
                call(name, method.name)
            except grpc.RpcError as error:
                code = error.code()
                if code not in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND):
                    bad.append(f"{name}/{method.name}: {code.name}: {error.details()}")
    assert not bad, "\n".join(bad)


def called():
    """calls by dynamic messages, now and at an earlier height"""
    latest, _ = call("cosmos.base.tendermint.v1beta1.Service", "GetLatestBlock")
    assert latest.block.header.chain_id == CHAIN_ID
    account, called = call("cosmos.auth.v1beta1.Query", "Account", address=need("ADDRESS"))
    assert account.account.type_url == "/cosmos.auth.v1beta1.BaseAccount"
    height = int(dict(called.initial_metadata())["x-cosmos-block-height"])
    assert height >= latest.block.header.height - 1
    earlier = (("x-cosmos-block-height", "2"),)
    balance, called = call(
        "cosmos.bank.v1beta1.Query", "Balance", metadata=earlier, address=need("ADDRESS"), denom=DENOM
    )
    assert balance.balance.denom == DENOM and int(balance.balance.amount) > 0
    assert dict(called.initial_metadata())["x-cosmos-block-height"] == "2"
    page = {"limit": 1, "count_total": True}
    supply, _ = call("cosmos.bank.v1beta1.Query", "TotalSupply", pagination=page)
    assert len(supply.supply) == 1 and supply.pagination.next_key and supply.pagination.total >= 2


def errors():
    """bad arguments are INVALID_ARGUMENT, an unknown account NOT_FOUND, an unknown method UNIMPLEMENTED"""

    def code(expected, text, service, method, **fields):
        error = refused(grpc.RpcError, text, lambda: call(service, method, **fields))
        assert error.code() == expected, error

    bad = grpc.StatusCode.INVALID_ARGUMENT
    code(bad, "", "cosmos.bank.v1beta1.Query", "Balance", address="nonsense", denom=DENOM)
    code(bad, "", "cosmos.auth.v1beta1.Query", "Account", address="")
    code(bad, "", "cosmos.tx.v1beta1.Service", "Simulate")
    missing = need("PREFIX") + "1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
    code(bad, "", "cosmos.auth.v1beta1.Query", "Account", address=missing)
    unary = channel.unary_unary("/cosmos.bank.v1beta1.Query/Nothing")
    error = refused(grpc.RpcError, "", lambda: unary(b"", timeout=30))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
    unary = channel.unary_unary("/cosmos.bank.v1beta1.Query/Balance")
    error = refused(grpc.RpcError, "", lambda: unary(b"\xff\xff\xff", timeout=30))
    assert error.code() == bad, error


def amino():
    """what TxDecodeAmino says in JSON is what TxEncodeAmino makes bytes of"""
    service = "cosmos.tx.v1beta1.Service"
    value = {"from_address": need("ADDRESS"), "to_address": need("ADDRESS"), "amount": [{"denom": DENOM, "amount": "5"}]}
    fee = {"amount": [], "gas": "200000"}
    tx = {"msg": [{"type": "cosmos-sdk/MsgSend", "value": value}], "fee": fee, "signatures": None}
    tx |= {"memo": "m", "timeout_height": "0"}
    text = json.dumps({"type": "cosmos-sdk/StdTx", "value": tx}, separators=(",", ":"))
    binary = call(service, "TxEncodeAmino", amino_json=text)[0].amino_binary
    assert binary.startswith(bytes.fromhex("282816a9")), binary
    assert call(service, "TxDecodeAmino", amino_binary=binary)[0].amino_json == text


def version_1():
    """reflection v1, which is v1alpha by another name, lists the same"""
    unary = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    ask = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="cosmos.bank.v1beta1.MsgSend"),
        reflection_pb2.ServerReflectionRequest(file_by_filename="cosmos/bank/v1beta1/tx.proto"),
    ]
    listing, symbol, file = unary(iter(ask), timeout=30)
    assert sorted(s.name for s in listing.list_services_response.service) == services
    assert symbol.file_descriptor_response.file_descriptor_proto
    assert file.file_descriptor_response.file_descriptor_proto
    unknown = reflection_pb2.ServerReflectionRequest(file_containing_symbol="cosmos.Nothing")
    error = refused(grpc.RpcError, "cosmos.Nothing", lambda: list(unary(iter([unknown]), timeout=30)))
    assert error.code() == grpc.StatusCode.NOT_FOUND, error


def health():
    """the health check says that it serves"""
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


run([described, listed, answered, called, errors, amino, version_1, health])
