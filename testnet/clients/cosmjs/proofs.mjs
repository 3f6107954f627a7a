// Store queries whose proofs CosmJS verifies against the header. CosmJS 0.32 is the last that has them.

import assert from "node:assert/strict";
import test from "node:test";

import { fromBech32, toAscii, toHex } from "@cosmjs/encoding";

import * as net from "./setup.mjs";

const { BaseAccount } = net.types("cosmos/auth/v1beta1/auth");
const { Any } = net.types("google/protobuf/any");
const { query } = net;
/// Verified queries left CosmJS after 0.32.
const skip = query.queryStoreVerified ? false : "this CosmJS has no verified queries";
const raw = fromBech32(net.address).data;
const accountKey = (bytes) => Uint8Array.from([0x01, ...bytes]);
const balanceKey = (bytes, denom) => Uint8Array.from([0x02, bytes.length, ...bytes, ...toAscii(denom)]);

test("an account is proven", { skip }, async () => {
  const { value } = await query.queryStoreVerified("acc", accountKey(raw));
  const any = Any.decode(value);
  assert.equal(any.typeUrl, "/cosmos.auth.v1beta1.BaseAccount");
  assert.equal(BaseAccount.decode(any.value).address, net.address);
});

test("a balance is proven, now and at an earlier height", { skip }, async () => {
  const key = balanceKey(raw, net.denom);
  const { value, height } = await query.queryStoreVerified("bank", key);
  assert.match(Buffer.from(value).toString(), /^\d+$/);
  const earlier = await query.queryStoreVerified("bank", key, height - 3);
  assert.equal(earlier.height, height - 3);
});

test("absence is proven: before, between and after the keys", { skip }, async () => {
  const keys = [[0x00], [0x02, 20, ...new Uint8Array(20)], [0xff, 0xff]].map((k) => Uint8Array.from(k));
  for (const key of [...keys, balanceKey(raw, "zzz")]) {
    const { value } = await query.queryStoreVerified("bank", key);
    assert.equal(value.length, 0, toHex(key));
  }
});

test("a validator, the supply and the consensus parameters are proven", { skip }, async () => {
  const operator = fromBech32(net.validator).data;
  for (const [store, key] of [
    ["staking", [0x21, operator.length, ...operator]],
    ["bank", [0x00, ...toAscii(net.denom)]],
    ["consensus", [...toAscii("Consensus")]],
  ]) {
    const { value } = await query.queryStoreVerified(store, Uint8Array.from(key));
    assert.ok(value.length > 0, store);
  }
});

test("a proof of what the chain does not hold is refused", { skip }, async () => {
  await assert.rejects(query.queryStoreVerified("nothing", Uint8Array.from([1])), /no such store: nothing/);
  await assert.rejects(query.queryStoreVerified("bank", Uint8Array.from([1]), 1), /cannot query with proof when height <= 1/);
});
