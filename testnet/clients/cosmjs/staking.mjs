// A validator made, delegations moved, and the queries that show them.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test from "node:test";

import { encodePubkey } from "@cosmjs/proto-signing";
import { assertIsDeliverTxSuccess, coin, decodeCosmosSdkDecFromProto } from "@cosmjs/stargate";
import { fromBech32, toBech32 } from "@cosmjs/encoding";

import * as net from "./setup.mjs";

const { address, amino, denom, direct, fee, prefix, reader, validator } = net;
const { staking } = net.query;
const own = toBech32(`${prefix}valoper`, fromBech32(address).data);
const shares = (amount) => `${amount}${"0".repeat(18)}`;

const act = async (signer, typeUrl, value) => {
  const message = { typeUrl: `/cosmos.staking.v1beta1.${typeUrl}`, value };
  const result = await signer.signAndBroadcast(address, [message], "auto");
  assertIsDeliverTxSuccess(result);
  return result;
};

test("staking parameters, the pool and the genesis validator", async () => {
  const { params } = await staking.params();
  assert.equal(params.bondDenom, denom);
  assert.ok(params.unbondingTime.seconds > 0n && params.historicalEntries > 0 && params.maxEntries > 0);
  const { pool } = await staking.pool();
  assert.ok(BigInt(pool.bondedTokens) >= 500_000_000n);
  const { validators } = await staking.validators("BOND_STATUS_BONDED");
  assert.deepEqual(validators.map((v) => v.operatorAddress), [validator]);
  const { validator: same } = await staking.validator(validator);
  assert.deepEqual(same, validators[0]);
  assert.equal(same.consensusPubkey.typeUrl, "/cosmos.crypto.ed25519.PubKey");
  assert.ok(decodeCosmosSdkDecFromProto(same.commission.commissionRates.rate).toFloatApproximation() <= 1);
  const { hist } = await staking.historicalInfo((await reader.getHeight()) - 1);
  assert.equal(hist.header.chainId, net.chainId);
  assert.deepEqual(hist.valset.map((v) => v.operatorAddress), [validator]);
});

test("slashing: the parameters, and that the validator has missed nothing", async () => {
  const { slashing } = net.query;
  const { params } = await slashing.params();
  assert.ok(params.signedBlocksWindow > 0n && params.downtimeJailDuration.seconds > 0n);
  const { info } = await slashing.signingInfos();
  const [{ address: consensus }] = (await net.comet.validatorsAll()).validators;
  const expected = toBech32(`${prefix}valcons`, consensus);
  assert.deepEqual(info.map((i) => i.address), [expected]);
  const { valSigningInfo } = await slashing.signingInfo(expected);
  assert.equal(valSigningInfo.missedBlocksCounter, 0n);
  assert.equal(valSigningInfo.tombstoned, false);
});

test("what does not exist is an error in words", async () => {
  await assert.rejects(staking.validator(own), /code = NotFound.*not found.*key not found/s);
  await assert.rejects(staking.delegation(address, validator), /code = NotFound.*not found/s);
  await assert.rejects(staking.validator("nonsense"), /decoding bech32 failed/);
  assert.equal(await reader.getDelegation(address, validator), null);
});

test("a validator is created, with the amino JSON that a Ledger signs", async () => {
  const pubkey = encodePubkey({ type: "tendermint/PubKeyEd25519", value: randomBytes(32).toString("base64") });
  // Nothing is left empty: CosmJS writes empty fields into the JSON, the SDK's rules for amino JSON leave them out.
  const description = {
    moniker: "small", identity: "0123456789ABCDEF", website: "https://example.org", securityContact: "me@example.org",
    details: "a validator <& test>",
  };
  await act(amino, "MsgCreateValidator", {
    description,
    commission: {
      rate: "100000000000000000", maxRate: "200000000000000000", maxChangeRate: "10000000000000000",
    },
    minSelfDelegation: "1",
    delegatorAddress: address,
    validatorAddress: own,
    pubkey,
    value: coin(1000, denom),
  });
  const { validator: mine } = await staking.validator(own);
  assert.deepEqual(mine.description, description);
  assert.deepEqual(mine.consensusPubkey, { ...pubkey, value: Uint8Array.from(pubkey.value) });
  assert.equal(mine.tokens, "1000");
  assert.equal(mine.commission.commissionRates.rate, "100000000000000000");
});

test("delegation", async () => {
  const result = await direct.delegateTokens(address, validator, coin(5000, denom), "auto");
  assertIsDeliverTxSuccess(result);
  assert.equal(net.attribute(result.events, "delegate", "amount"), `5000${denom}`);
  assertIsDeliverTxSuccess(await amino.delegateTokens(address, validator, coin(1000, denom), "auto"));
  assert.deepEqual(await reader.getDelegation(address, validator), coin(6000, denom));
  assert.deepEqual(await reader.getBalanceStaked(address), coin(7000, denom));
  const { delegationResponse } = await staking.delegation(address, validator);
  assert.equal(delegationResponse.delegation.shares, shares(6000));
  const all = (await staking.delegatorDelegations(address)).delegationResponses;
  assert.deepEqual(all.map((d) => d.delegation.validatorAddress).sort(), [own, validator].sort());
  assert.equal((await staking.delegatorValidators(address)).validators.length, 2);
  assert.equal((await staking.delegatorValidator(address, own)).validator.operatorAddress, own);
  const of = (await staking.validatorDelegations(validator)).delegationResponses;
  // The validator's own total is everybody's: other clients delegate and undelegate at the same time.
  assert.ok(of.some((d) => d.delegation.delegatorAddress === address && d.balance.amount === "6000"));
});

test("undelegation, of which a part is cancelled", async () => {
  const result = await direct.undelegateTokens(address, validator, coin(2000, denom), "auto");
  assertIsDeliverTxSuccess(result);
  assert.match(net.attribute(result.events, "unbond", "completion_time"), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.ok(result.msgResponses[0].value.length > 0, "the response has the completion time");
  await act(amino, "MsgUndelegate", {
    delegatorAddress: address, validatorAddress: validator, amount: coin(1000, denom),
  });
  const { unbond } = await staking.unbondingDelegation(address, validator);
  assert.deepEqual(unbond.entries.map((e) => e.balance), ["2000", "1000"]);
  assert.equal((await staking.delegatorUnbondingDelegations(address)).unbondingResponses.length, 1);
  assert.ok((await staking.validatorUnbondingDelegations(validator)).unbondingResponses.length >= 1);
  const { creationHeight } = unbond.entries[0];
  await act(direct, "MsgCancelUnbondingDelegation", {
    delegatorAddress: address, validatorAddress: validator, amount: coin(500, denom), creationHeight,
  });
  const left = (await staking.unbondingDelegation(address, validator)).unbond.entries;
  assert.deepEqual(left.map((e) => e.balance), ["1500", "1000"]);
  assert.deepEqual(await reader.getDelegation(address, validator), coin(3500, denom));
});

test("redelegation, once", async () => {
  const value = {
    delegatorAddress: address, validatorSrcAddress: validator, validatorDstAddress: own, amount: coin(700, denom),
  };
  const result = await act(amino, "MsgBeginRedelegate", value);
  assert.equal(net.attribute(result.events, "redelegate", "destination_validator"), own);
  const { redelegationResponses } = await staking.redelegations(address, validator, own);
  assert.deepEqual(redelegationResponses[0].entries.map((e) => e.balance), ["700"]);
  assert.deepEqual(await reader.getDelegation(address, own), coin(1700, denom));
  // What has just come from another validator cannot move on.
  const on = { ...value, validatorSrcAddress: own, validatorDstAddress: validator };
  const message = { typeUrl: "/cosmos.staking.v1beta1.MsgBeginRedelegate", value: on };
  const refused = await direct.signAndBroadcast(address, [message], fee);
  assert.equal(refused.code, 32);
  assert.match(refused.rawLog, /redelegation to this validator already in progress/);
});
