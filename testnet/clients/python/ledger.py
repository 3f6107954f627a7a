"""cosmpy's LedgerClient, over gRPC or REST by the URL in LEDGER (`grpc+http://...` or `rest+http://...`)."""

from cosmpy.aerial.client import LedgerClient, NetworkConfig
from cosmpy.aerial.client.staking import ValidatorStatus, create_delegate_msg
from cosmpy.aerial.exceptions import BroadcastError, InsufficientFeesError, NotFoundError, OutOfGasError
from cosmpy.aerial.tx import SigningCfg, Transaction, TxFee
from cosmpy.aerial.wallet import LocalWallet
from cosmpy.crypto.address import Address
from cosmpy.protos.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from cosmpy.protos.cosmos.base.v1beta1.coin_pb2 import Coin
from cosmpy.protos.cosmos.staking.v1beta1 import query_pb2 as staking
from cosmpy.protos.cosmos.tx.v1beta1.service_pb2 import SimulateRequest

from network import CHAIN_ID, DENOM, OTHER_DENOM, PREFIX, need, refused, run

config = NetworkConfig(
    chain_id=CHAIN_ID,
    url=need("LEDGER"),
    fee_minimum_gas_price=0.002,
    fee_denomination=DENOM,
    staking_denomination=DENOM,
)
ledger = LedgerClient(config, query_interval_secs=0.3, query_timeout_secs=60)
wallet = LocalWallet.from_mnemonic(need("MNEMONIC"), prefix=PREFIX)
nobody = LocalWallet.generate(prefix=PREFIX)
validator = Address(need("VALIDATOR"))


def address():
    """cosmpy and geod derive the same address from the same words"""
    assert str(wallet.address()) == need("ADDRESS")


def chain():
    """chain id, height, blocks, node information, consensus parameters"""
    assert ledger.query_chain_id() == CHAIN_ID
    height = ledger.query_height()
    block = ledger.query_block(height)
    assert (block.height, block.chain_id) == (height, CHAIN_ID), block
    info = ledger.query_node_info()
    assert info.cosmos_sdk_version.release[:2] == (0, 50), info
    assert info.app_name and info.app_version.release, info
    assert ledger.query_consensus_params().params.block.max_bytes > 0


def account():
    """an account, and one that does not exist"""
    found = ledger.query_account(wallet.address())
    assert str(found.address) == str(wallet.address()) and found.number > 0
    error = refused(Exception, "not found", lambda: ledger.query_account(nobody.address()))
    assert str(nobody.address()) in f"{error!r} {error}"


def balances():
    """balances: one, all, none"""
    held = ledger.query_bank_all_balances(wallet.address())
    assert [c.denom for c in held] == [DENOM, OTHER_DENOM], held
    assert ledger.query_bank_balance(wallet.address()) == int(held[0].amount)
    assert ledger.query_bank_balance(wallet.address(), "nothing") == 0
    assert ledger.query_bank_all_balances(nobody.address()) == []


def send():
    """coins sent with simulated gas, found again by hash with events and time"""
    receiver = LocalWallet.generate(prefix=PREFIX).address()
    before = ledger.query_account(wallet.address())
    tx = ledger.send_tokens(receiver, 1234, DENOM, wallet, memo="by cosmpy").wait_to_complete()
    response = tx.response
    assert response.is_successful() and response.hash == tx.tx_hash and response.height > 0
    assert 0 < response.gas_used <= response.gas_wanted
    assert response.events["transfer"]["recipient"] == str(receiver), response.events
    assert response.events["message"]["module"] == "bank"
    assert response.timestamp is not None
    assert ledger.query_bank_balance(receiver) == 1234
    assert ledger.query_account(wallet.address()).sequence == before.sequence + 1
    again = ledger.query_tx(tx.tx_hash)
    assert again == response


def not_found():
    """a transaction that is in no block is NotFoundError"""
    refused(NotFoundError, "", lambda: ledger.query_tx("00" * 32))


def refusals():
    """too little gas, too small a fee, too few coins: with the numbers that cosmpy reads out of the texts"""
    receiver = nobody.address()

    def of(amount, fee):
        return lambda: ledger.send_tokens(receiver, amount, DENOM, wallet, fee=fee).wait_to_complete()

    error = refused(OutOfGasError, "", of(1, TxFee(f"1000{DENOM}", 20_000)))
    assert error.gas_wanted == 20_000 and error.gas_used > 20_000, error
    error = refused(InsufficientFeesError, "", of(1, TxFee(f"1{DENOM}", 300_000)))
    assert error.minimum_required_fee == f"300{DENOM}", error
    refused(BroadcastError, "insufficient funds", of(10**18, TxFee(f"1000{DENOM}", 300_000)))
    # Simulating it fails as well.
    refused(Exception, "insufficient funds", of(10**18, None))


def sequence():
    """a wrong sequence is refused with the text that tools parse"""
    found = ledger.query_account(wallet.address())
    wrong = found.sequence + 3
    tx = Transaction()
    coins = [Coin(denom=DENOM, amount="1")]
    tx.add_message(
        MsgSend(from_address=str(wallet.address()), to_address=str(nobody.address()), amount=coins)
    )
    tx.seal(SigningCfg.direct(wallet.public_key(), wrong), fee=TxFee(f"1000{DENOM}", 300_000))
    tx.sign(wallet.signer(), CHAIN_ID, found.number)
    tx.complete()
    text = f"account sequence mismatch, expected {found.sequence}, got {wrong}: incorrect account sequence"
    refused(BroadcastError, text, lambda: ledger.broadcast_tx(tx))


def simulate():
    """simulation with the deprecated field `tx`, and with `tx_bytes`"""
    found = ledger.query_account(wallet.address())
    tx = Transaction()
    tx.add_message(create_delegate_msg(wallet.address(), validator, 10, DENOM))
    tx.seal(SigningCfg.direct(wallet.public_key(), found.sequence), fee=TxFee([], 0))
    tx.sign(wallet.signer(), CHAIN_ID, found.number)
    tx.complete()
    by_tx = ledger.txs.Simulate(SimulateRequest(tx=tx.tx))
    by_bytes = ledger.txs.Simulate(SimulateRequest(tx_bytes=tx.tx.SerializeToString()))
    assert by_tx.gas_info.gas_used > 0 and by_tx.result.msg_responses, by_tx
    assert by_tx == by_bytes
    assert ledger.simulate_tx(tx) == by_tx.gas_info.gas_used


def stake():
    """delegation and its end, and the queries that show them"""
    bonded = ledger.query_validators()
    assert [str(v.address) for v in bonded] == [str(validator)], bonded
    assert bonded[0].status == ValidatorStatus.BONDED and bonded[0].moniker == "one"
    assert len(ledger.query_validators(ValidatorStatus.UNSPECIFIED)) >= 1
    for amount in (900, 100):
        ledger.delegate_tokens(validator, amount, wallet).wait_to_complete()
    ledger.undelegate_tokens(validator, 400, wallet).wait_to_complete()

    me, of = str(wallet.address()), str(validator)
    delegations = ledger.staking.DelegatorDelegations(
        staking.QueryDelegatorDelegationsRequest(delegator_addr=me)
    ).delegation_responses
    assert [(d.delegation.validator_address, d.balance.amount) for d in delegations] == [(of, "600")]
    unbonding = ledger.staking.DelegatorUnbondingDelegations(
        staking.QueryDelegatorUnbondingDelegationsRequest(delegator_addr=me)
    ).unbonding_responses
    assert [e.balance for u in unbonding for e in u.entries] == ["400"]
    one = ledger.staking.Delegation(
        staking.QueryDelegationRequest(delegator_addr=me, validator_addr=of)
    ).delegation_response
    assert one.balance.amount == "600"
    assert ledger.staking.Validator(staking.QueryValidatorRequest(validator_addr=of)).validator.jailed is False
    assert ledger.staking.Params(staking.QueryParamsRequest()).params.bond_denom == DENOM
    assert int(ledger.staking.Pool(staking.QueryPoolRequest()).pool.bonded_tokens) > 0


run([address, chain, account, balances, send, not_found, refusals, sequence, simulate, stake])
