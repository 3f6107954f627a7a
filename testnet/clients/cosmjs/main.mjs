// All tests, one after the other: they share one account.

import "./accounts.mjs";
import "./staking.mjs";
import "./multisig.mjs";
import "./comet.mjs";
import "./proofs.mjs";
