// A multisignature account of three keys, of which two sign on their own.

import assert from "node:assert/strict";
import test from "node:test";

import { createMultisigThresholdPubkey, encodeSecp256k1Pubkey, pubkeyToAddress } from "@cosmjs/amino";
import { BroadcastTxError, SigningStargateClient, assertIsDeliverTxSuccess, makeMultisignedTxBytes } from "@cosmjs/stargate";

import * as net from "./setup.mjs";

const { address, chainId, coins, direct, fee, prefix, reader, send } = net;
const accounts = net.memberAccounts;
const pubkey = createMultisigThresholdPubkey(accounts.map((a) => encodeSecp256k1Pubkey(a.pubkey)), 2);
const multisig = pubkeyToAddress(pubkey, prefix);
const message = send(multisig, address, coins(100));

/// Signatures of some members over the next transaction of the account.
const signed = async (members) => {
  const { accountNumber, sequence } = await reader.getSequence(multisig);
  const signatures = new Map();
  let body;
  for (const i of members) {
    const client = await SigningStargateClient.offline(net.members[i]);
    const signer = { accountNumber, sequence, chainId };
    const raw = await client.sign(accounts[i].address, [message], fee, "by two", signer);
    body = raw.bodyBytes;
    signatures.set(accounts[i].address, raw.signatures[0]);
  }
  return makeMultisignedTxBytes(pubkey, sequence, fee, body, signatures);
};

test("two of three send", async () => {
  assertIsDeliverTxSuccess(await direct.sendTokens(address, multisig, coins(10_000), fee));
  for (const members of [[0, 1], [2, 0]]) {
    const { sequence } = await reader.getSequence(multisig);
    const result = await reader.broadcastTx(await signed(members), 60_000, 200);
    assertIsDeliverTxSuccess(result);
    assert.equal((await reader.getSequence(multisig)).sequence, sequence + 1);
  }
  assert.equal((await reader.getBalance(multisig, net.denom)).amount, "7800");
  assert.deepEqual((await reader.getAccount(multisig)).pubkey, pubkey);
});

test("one of three is not enough", async () => {
  await assert.rejects(reader.broadcastTx(await signed([1])), (error) => {
    assert.ok(error instanceof BroadcastTxError);
    assert.equal(error.code, 4, error.log);
    return true;
  });
});
