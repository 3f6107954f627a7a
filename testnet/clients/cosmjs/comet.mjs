// CometBFT's own interface: blocks, searches and subscriptions over a websocket.

import assert from "node:assert/strict";
import test from "node:test";

import { firstEvent } from "@cosmjs/stream";
import { Comet38Client } from "@cosmjs/tendermint-rpc";
import { sha256 } from "@cosmjs/crypto";
import { toHex } from "@cosmjs/encoding";

import * as net from "./setup.mjs";

const { address, chainId, coins, comet, direct, fee, reader, second } = net;

test("status, information about the application, genesis", async () => {
  const status = await comet.status();
  assert.match(status.nodeInfo.version, /^0\.38\./);
  assert.equal(status.nodeInfo.network, chainId);
  assert.equal(status.syncInfo.catchingUp, false);
  assert.equal(status.nodeInfo.other.get("tx_index") ?? status.nodeInfo.other.tx_index, "on");
  const info = await comet.abciInfo();
  assert.ok(info.lastBlockHeight > 0 && info.lastBlockAppHash.length === 32);
  const genesis = await comet.genesis();
  assert.equal(genesis.chainId, chainId);
  assert.ok(genesis.appState.bank.balances.some((b) => b.address === address));
  assert.equal(await comet.health(), null);
});

test("a block with a transaction, its results, and how it was committed", async () => {
  const sent = await direct.sendTokens(address, second, coins(1), fee);
  assert.equal(sent.code, 0, sent.rawLog);
  const block = await reader.getBlock(sent.height);
  assert.equal(block.header.height, sent.height);
  assert.equal(block.header.chainId, chainId);
  const hashes = block.txs.map((tx) => toHex(sha256(tx)).toUpperCase());
  assert.equal(hashes[sent.txIndex], sent.transactionHash);
  assert.ok((await reader.getBlock()).header.height >= sent.height);

  const results = await comet.blockResults(sent.height);
  assert.equal(results.results.length, hashes.length);
  assert.equal(results.results[sent.txIndex].code, 0);
  assert.ok(results.results[sent.txIndex].events.some((e) => e.type === "transfer"));
  const { blockMetas } = await comet.blockchain(sent.height, sent.height);
  assert.equal(blockMetas[0].header.height, sent.height);
  const { commit } = await comet.commit(sent.height);
  assert.equal(commit.height, sent.height);
  const { validators } = await comet.validatorsAll(sent.height);
  assert.equal(validators.length, 1);
  const tx = await comet.tx({ hash: Uint8Array.from(Buffer.from(sent.transactionHash, "hex")), prove: true });
  assert.equal(tx.height, sent.height);
  assert.ok(tx.proof);
});

test("pages of a search, and blocks by height", async () => {
  const query = `message.sender='${address}'`;
  const one = await comet.txSearch({ query, per_page: 1, page: 1, order_by: "desc" });
  assert.equal(one.txs.length, 1);
  const all = await comet.txSearchAll({ query, per_page: 2 });
  assert.equal(all.txs.length, all.totalCount);
  assert.deepEqual(all.txs.at(-1).hash, one.txs[0].hash);
  const blocks = await comet.blockSearch({ query: "block.height=2" });
  assert.equal(blocks.blocks[0].block.header.height, 2);
});

test("new blocks and transactions arrive over a websocket", async () => {
  const socket = await Comet38Client.connect(net.rpc.replace("http", "ws"));
  try {
    const block = await firstEvent(socket.subscribeNewBlock());
    assert.equal(block.header.chainId, chainId);
    const header = await firstEvent(socket.subscribeNewBlockHeader());
    assert.ok(header.height > block.header.height);
    const [event, sent] = await Promise.all([
      firstEvent(socket.subscribeTx(`transfer.recipient = '${second}'`)),
      direct.sendTokens(address, second, coins(2), fee, "seen on a websocket"),
    ]);
    assert.equal(sent.code, 0, sent.rawLog);
    assert.equal(toHex(event.hash).toUpperCase(), sent.transactionHash);
    assert.equal(event.height, sent.height);
    assert.equal(event.result.code, 0);
  } finally {
    socket.disconnect();
  }
});
