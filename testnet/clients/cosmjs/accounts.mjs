// Accounts, balances, transfers, simulation and what is refused.

import assert from "node:assert/strict";
import test from "node:test";


import * as net from "./setup.mjs";

const { address, chainId, coins, denom, direct, fee, nobody, otherDenom, query, reader, second, send } = net;
const { TxRaw } = net.types("cosmos/tx/v1beta1/tx");

test("geod and CosmJS derive the same address from the same words", async () => {
  assert.equal(await net.addressOf(net.wallets.direct), address);
  assert.equal(await net.addressOf(net.wallets.amino), address);
});

test("chain id and height", async () => {
  assert.equal(await reader.getChainId(), chainId);
  assert.ok((await reader.getHeight()) > 0);
});

test("an account that does not exist is null, and sending from it is refused in words", async () => {
  assert.equal(await reader.getAccount(nobody), null);
  await assert.rejects(reader.getSequence(nobody), /does not exist on chain/);
});

test("an account, its balances, and the supply", async () => {
  const account = await reader.getAccount(address);
  assert.equal(account.address, address);
  const { accountNumber, sequence } = account;
  assert.deepEqual(await reader.getSequence(address), { accountNumber, sequence });
  const all = await reader.getAllBalances(address);
  assert.deepEqual(all.map((c) => c.denom), [denom, otherDenom]);
  assert.deepEqual(await reader.getBalance(address, denom), all[0]);
  assert.deepEqual(await reader.getBalance(address, "nothing"), { denom: "nothing", amount: "0" });
  assert.deepEqual(await reader.getAllBalances(nobody), []);

  const { supply } = await query.bank.totalSupply();
  assert.deepEqual(supply.map((c) => c.denom), [denom, otherDenom]);
  assert.deepEqual(await query.bank.supplyOf(denom), supply[0]);
  assert.ok(BigInt(supply[0].amount) > BigInt(all[0].amount));
  assert.ok(Array.isArray(await query.bank.denomsMetadata()));
});

/// Sends with both modes, and finds the pubkey and the sequence afterwards.
for (const [mode, signer] of [["direct", direct], ["amino", net.amino]]) {
  test(`coins are sent with SIGN_MODE ${mode}`, async () => {
    const [mine, theirs] = [await reader.getBalance(address, denom), await reader.getBalance(second, denom)];
    const { sequence } = await reader.getSequence(address);
    const result = await signer.sendTokens(address, second, coins(12345), fee, "a memo with <, > & é");
    assert.equal(result.code, 0, result.rawLog);
    assert.match(result.transactionHash, /^[0-9A-F]{64}$/);
    assert.ok(result.height > 0 && result.gasUsed > 0n && result.gasWanted === BigInt(fee.gas));
    assert.deepEqual(result.msgResponses.map((m) => m.typeUrl), ["/cosmos.bank.v1beta1.MsgSendResponse"]);
    assert.equal(net.attribute(result.events, "transfer", "amount"), `1000${denom}`, "the fee comes first");
    const transfer = result.events.filter((e) => e.type === "transfer").at(-1);
    const values = Object.fromEntries(transfer.attributes.map((a) => [a.key, a.value]));
    assert.deepEqual(values, {
      recipient: second, sender: address, amount: `12345${denom}`, msg_index: "0",
    });

    assert.equal((await reader.getSequence(address)).sequence, sequence + 1);
    const account = await reader.getAccount(address);
    assert.equal(account.pubkey.type, "tendermint/PubKeySecp256k1");
    assert.equal(BigInt((await reader.getBalance(second, denom)).amount), BigInt(theirs.amount) + 12345n);
    assert.equal(BigInt((await reader.getBalance(address, denom)).amount), BigInt(mine.amount) - 13345n);
  });
}

test("several messages and several coins in one transaction", async () => {
  const both = [{ denom, amount: "1" }, { denom: otherDenom, amount: "2" }];
  const messages = [send(address, second, both), send(address, second, coins(3)), {
    typeUrl: "/cosmos.bank.v1beta1.MsgMultiSend",
    value: {
      inputs: [{ address, coins: coins(5) }],
      outputs: [{ address: second, coins: coins(4) }, { address, coins: coins(1) }],
    },
  }];
  for (const signer of [direct, net.amino]) {
    const result = await signer.signAndBroadcast(address, messages, fee);
    assert.equal(result.code, 0, result.rawLog);
    assert.equal(result.msgResponses.length, 3);
  }
});

test("simulation: an estimate, gas \"auto\", and the error of what would fail", async () => {
  const messages = [send(address, second, coins(1))];
  const estimate = await direct.simulate(address, messages, "");
  assert.ok(estimate > 40_000 && estimate < 200_000, `${estimate}`);
  for (const signer of [direct, net.amino]) {
    const result = await signer.signAndBroadcast(address, messages, "auto", "auto");
    assert.equal(result.code, 0, result.rawLog);
    assert.ok(result.gasUsed <= result.gasWanted && result.gasWanted < 2n * result.gasUsed);
  }
  const tooMuch = [send(address, second, coins("900000000000000"))];
  await assert.rejects(direct.simulate(address, tooMuch, ""), /insufficient funds/);
});

test("a wrong sequence is code 32, with the text that tools parse", async () => {
  const { accountNumber, sequence } = await reader.getSequence(address);
  const data = { accountNumber, sequence: sequence + 5, chainId };
  const raw = await direct.sign(address, [send(address, second, coins(1))], fee, "", data);
  await assert.rejects(direct.broadcastTx(TxRaw.encode(raw).finish()), (error) => {
    assert.equal(error.code, 32);
    assert.equal(error.codespace, "sdk");
    const want = `account sequence mismatch, expected ${sequence}, got ${sequence + 5}: incorrect account sequence`;
    assert.equal(error.log, want);
    return true;
  });
});

test("a signature for another chain is code 4", async () => {
  const { accountNumber, sequence } = await reader.getSequence(address);
  for (const signer of [direct, net.amino]) {
    const data = { accountNumber, sequence, chainId: "another-1" };
    const raw = await signer.sign(address, [send(address, second, coins(1))], fee, "", data);
    await assert.rejects(signer.broadcastTx(TxRaw.encode(raw).finish()), (error) => {
      assert.equal(error.code, 4);
      assert.match(error.log, /signature verification failed; please verify account number .*unauthorized/s);
      return true;
    });
  }
});

test("more coins than there are is code 5 in the block", async () => {
  const { sequence } = await reader.getSequence(address);
  const result = await direct.sendTokens(address, second, coins("900000000000000"), fee);
  assert.equal(result.code, 5);
  assert.match(result.rawLog, /failed to execute message; message index: 0: spendable balance \d+ugeo is smaller than 900000000000000ugeo: insufficient funds/);
  assert.deepEqual(result.msgResponses, []);
  assert.equal((await reader.getSequence(address)).sequence, sequence + 1, "the fee is taken and the sequence counts");
});

test("fees below the minimum are code 13, too little gas is code 11, a timeout is code 30", async () => {
  const messages = [send(address, second, coins(1))];
  const refused = async (gas, amount, code, text) => {
    await assert.rejects(direct.signAndBroadcast(address, messages, { gas, amount }), (error) => {
      assert.equal(error.code, code, error.log);
      assert.match(error.log, text);
      return true;
    });
  };
  await refused("300000", coins(1), 13, /insufficient fees; got: 1ugeo required: 300ugeo: insufficient fee/);
  await refused("20000", coins(1000), 11, /out of gas in location: .*; gasWanted: 20000, gasUsed: \d+: out of gas/);
  const late = direct.signAndBroadcast(address, messages, fee, "", 1n);
  await assert.rejects(late, (error) => {
    assert.equal(error.code, 30, error.log);
    return true;
  });
});

test("a broadcast that does not wait, and getTx by its hash", async () => {
  const hash = await direct.signAndBroadcastSync(address, [send(address, second, coins(7))], fee, "sync");
  assert.match(hash, /^[0-9A-F]{64}$/);
  let found = null;
  while (found === null) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    found = await reader.getTx(hash);
  }
  assert.equal(found.hash, hash);
  assert.equal(found.code, 0);
  assert.equal(await reader.getTx("00".repeat(32)), null);
  await assert.rejects(direct.broadcastTx(found.tx), /tx already exists in cache|account sequence mismatch/);

  // The same through the chain's own service.
  const { tx, txResponse } = await query.tx.getTx(hash);
  assert.equal(txResponse.txhash, hash);
  assert.equal(Number(txResponse.height), found.height);
  assert.equal(tx.body.memo, "sync");
  await assert.rejects(query.tx.getTx("00".repeat(32)), /tx not found/);
});

test("transactions are found by hash, by events, by height", async () => {
  const { height, transactionHash } = await direct.sendTokens(address, second, coins(31), fee, "search me");
  const searches = [
    `tx.hash='${transactionHash}'`,
    `tx.height=${height}`,
    `transfer.recipient='${second}' AND tx.height>=${height}`,
    [{ key: "message.sender", value: address }, { key: "tx.height", value: height }],
    [{ key: "message.module", value: "bank" }, { key: "tx.height", value: height }],
    [{ key: "message.action", value: "/cosmos.bank.v1beta1.MsgSend" }, { key: "tx.height", value: height }],
    [{ key: "coin_received.receiver", value: second }, { key: "tx.height", value: height }],
    [{ key: "tx.fee", value: `1000${denom}` }, { key: "tx.height", value: height }],
    [{ key: "tx.acc_seq", value: `${address}/${(await reader.getSequence(address)).sequence - 1}` }],
  ];
  for (const search of searches) {
    const found = await reader.searchTx(search);
    assert.ok(found.some((tx) => tx.hash === transactionHash), JSON.stringify(search));
  }
  assert.deepEqual(await reader.searchTx(`tx.hash='${"AB".repeat(32)}'`), []);
  assert.ok((await reader.searchTx([{ key: "message.sender", value: address }])).length > 5);
});
