// The network that the tests run against, and who acts on it. All waiting is done here: files of tests only register tests.

import { createRequire } from "node:module";

import { Secp256k1HdWallet } from "@cosmjs/amino";
import { DirectSecp256k1HdWallet, makeCosmoshubPath } from "@cosmjs/proto-signing";
import {
  GasPrice, QueryClient, SigningStargateClient, StargateClient, setupAuthExtension, setupBankExtension,
  setupSlashingExtension, setupStakingExtension, setupTxExtension,
} from "@cosmjs/stargate";
import { Comet38Client } from "@cosmjs/tendermint-rpc";

/// Generated types, by the paths that both old and new cosmjs-types have.
export const types = (path) => createRequire(import.meta.url)(`cosmjs-types/${path}`);

const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`the environment variable ${name} is missing, see testnet/clients/README.md`);
  return value;
};

export const rpc = need("RPC");
export const chainId = need("CHAIN_ID");
export const prefix = need("PREFIX");
export const denom = need("DENOM");
/// What `geod keys add` printed for the account that genesis gave coins.
export const address = need("ADDRESS");
export const validator = need("VALIDATOR");
export const otherDenom = need("OTHER_DENOM");
const mnemonic = need("MNEMONIC");

/// Fees above the minimum price of the node.
export const fee = { amount: [{ denom, amount: "1000" }], gas: "300000" };
export const coins = (amount) => [{ denom, amount: String(amount) }];

const wallet = (kind, index) => kind.fromMnemonic(mnemonic, { prefix, hdPaths: [makeCosmoshubPath(index)] });
export const addressOf = async (w) => (await w.getAccounts())[0].address;

/// The account of the words in both modes of signing, and clients that sign with it.
export const wallets = { direct: await wallet(DirectSecp256k1HdWallet, 0), amino: await wallet(Secp256k1HdWallet, 0) };
const options = { gasPrice: GasPrice.fromString(`0.002${denom}`), broadcastPollIntervalMs: 200 };
export const direct = await SigningStargateClient.connectWithSigner(rpc, wallets.direct, options);
export const amino = await SigningStargateClient.connectWithSigner(rpc, wallets.amino, options);

/// Accounts 1, 2 and 3 of the words: members of a multisignature.
export const members = await Promise.all([1, 2, 3].map((index) => wallet(Secp256k1HdWallet, index)));
export const memberAccounts = await Promise.all(members.map(async (w) => (await w.getAccounts())[0]));
/// Who receives coins, and who never does.
export const second = await addressOf(members[0]);
export const nobody = await addressOf(await wallet(Secp256k1HdWallet, 99));

/// What only reads: CosmJS's client, the chain's queries, and CometBFT.
export const reader = await StargateClient.connect(rpc);
export const comet = await Comet38Client.connect(rpc);
export const query = QueryClient.withExtensions(
  comet, setupAuthExtension, setupBankExtension, setupSlashingExtension, setupStakingExtension, setupTxExtension,
);

export const send = (from, to, amount) => ({
  typeUrl: "/cosmos.bank.v1beta1.MsgSend",
  value: { fromAddress: from, toAddress: to, amount },
});

/// The attribute of the first event of a kind.
export const attribute = (events, kind, key) =>
  events.find((e) => e.type === kind)?.attributes.find((a) => a.key === key)?.value;
