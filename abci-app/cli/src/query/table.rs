//! Every query of every module: one row each.

use geodesic_client::address::Kind;

/// What a value of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Address(Kind),
    /// A consensus address, or the JSON of the key that gives it.
    ConsensusKey,
    Number,
    Text,
    /// Any number of texts.
    Texts,
}

/// A value of a request.
#[derive(Debug)]
pub(super) struct Field {
    /// Name in the request.
    pub(super) name: &'static str,
    pub(super) is: Is,
    /// For examples.
    pub(super) sample: &'static str,
    pub(super) required: bool,
    /// Name of its flag; without one it stands by its place.
    pub(super) flag: Option<&'static str>,
}

/// A query.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) about: &'static str,
    /// gRPC method.
    pub(super) path: &'static str,
    pub(super) fields: &'static [Field],
}

/// A module's queries.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    rows: &'static [&'static [Row]],
}

impl Group {
    pub(super) fn rows(&self) -> impl Iterator<Item = &'static Row> {
        self.rows.iter().copied().flatten()
    }
}

impl Field {
    pub(super) fn help(&self) -> String {
        match self.is {
            Is::Address(Kind::Account) => "Account: address or name of a key".to_owned(),
            Is::Address(Kind::Validator) => "Operator: address or name of a key".to_owned(),
            Is::Address(Kind::Consensus) => "Consensus address".to_owned(),
            Is::ConsensusKey => "Consensus address, or the JSON of its key".to_owned(),
            Is::Number => format!("A whole number such as {}", self.sample),
            Is::Text | Is::Texts => format!("Such as {}", self.sample),
        }
    }

    const fn new(name: &'static str, is: Is, sample: &'static str) -> Self {
        Self { name, is, sample, required: true, flag: None }
    }

    const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    const fn flag(self, flag: &'static str) -> Self {
        Self { required: false, flag: Some(flag), ..self }
    }
}

const fn account(name: &'static str) -> Field {
    Field::new(name, Is::Address(Kind::Account), "geo1...")
}

const fn validator(name: &'static str) -> Field {
    Field::new(name, Is::Address(Kind::Validator), "geovaloper1...")
}

const fn number(name: &'static str, sample: &'static str) -> Field {
    Field::new(name, Is::Number, sample)
}

const fn text(name: &'static str, sample: &'static str) -> Field {
    Field::new(name, Is::Text, sample)
}

/// `rows!(service; name [alias...] method [fields] about; ...)`
macro_rules! rows {
    ($service:literal; $($name:literal [$($alias:literal)*] $method:literal [$($field:expr),*] $about:literal;)*) => {
        &[$(Row {
            name: $name,
            aliases: &[$($alias),*],
            about: $about,
            path: concat!("/", $service, "/", $method),
            fields: &[$($field),*],
        }),*]
    };
}

pub(super) const GROUPS: &[Group] = &[
    Group { name: "auth", about: "Accounts", rows: &[AUTH] },
    Group { name: "bank", about: "Balances, supply and denominations", rows: &[BANK] },
    Group {
        name: "staking",
        about: "Validators, delegations and what gives power",
        rows: &[STAKING, COMPUTE],
    },
    Group { name: "slashing", about: "Downtime of validators", rows: &[SLASHING] },
    Group { name: "evidence", about: "Double signs of validators", rows: &[EVIDENCE] },
    Group { name: "consensus", about: "Parameters of CometBFT", rows: &[CONSENSUS] },
    Group { name: "epochs", about: "Epochs and their phases", rows: &[EPOCHS] },
    Group { name: "seeds", about: "The beacon and the operators' VRF keys", rows: &[SEEDS] },
    Group { name: "difficulty", about: "What a nonce must reach", rows: &[DIFFICULTY] },
    Group { name: "pow", about: "Participants, commitments, audits and weights", rows: &[POW] },
    Group { name: "rewards", about: "What epochs paid", rows: &[REWARDS] },
    Group { name: "node", about: "The node that answers", rows: &[NODE] },
    Group { name: "comet", about: "Blocks and validators as the application knows them", rows: &[COMET] },
];

#[rustfmt::skip]
const AUTH: &[Row] = rows!("cosmos.auth.v1beta1.Query";
    "account" [] "Account" [account("address")] "An account";
    "account-info" [] "AccountInfo" [account("address")] "Key, number and sequence of an account";
    "accounts" [] "Accounts" [] "All accounts";
    "address-by-acc-num" ["address-by-id"] "AccountAddressByID" [number("account_id", "7")]
        "Address of an account's number";
    "module-accounts" [] "ModuleAccounts" [] "Accounts of all modules";
    "module-account" [] "ModuleAccountByName" [text("name", "gov")] "Account of a module";
    "bech32-prefix" [] "Bech32Prefix" [] "Prefix of the chain's addresses";
    "params" [] "Params" [] "Parameters";
);

#[rustfmt::skip]
const BANK: &[Row] = rows!("cosmos.bank.v1beta1.Query";
    "balances" [] "AllBalances" [account("address")] "All coins of an account";
    "balance" [] "Balance" [account("address"), text("denom", "ugeo")] "Coins of one denomination";
    "spendable-balances" ["spendable"] "SpendableBalances" [account("address")]
        "Coins of an account that are not locked";
    "spendable-balance" [] "SpendableBalanceByDenom" [account("address"), text("denom", "ugeo")]
        "Coins of one denomination that are not locked";
    "total-supply" ["total"] "TotalSupply" [] "All coins there are";
    "total-supply-of" ["supply-of"] "SupplyOf" [text("denom", "ugeo")] "All coins of one denomination";
    "denoms-metadata" [] "DenomsMetadata" [] "Names and units of all denominations";
    "denom-metadata" [] "DenomMetadata" [text("denom", "ugeo")] "Names and units of a denomination";
    "denom-owners" [] "DenomOwners" [text("denom", "ugeo")] "Who owns coins of a denomination";
    "send-enabled" [] "SendEnabled" [Field::new("denoms", Is::Texts, "ugeo").optional()]
        "Which denominations may be sent";
    "params" [] "Params" [] "Parameters";
);

#[rustfmt::skip]
const STAKING: &[Row] = rows!("cosmos.staking.v1beta1.Query";
    "validators" [] "Validators" [text("status", "BOND_STATUS_BONDED").flag("status")] "All validators";
    "validator" [] "Validator" [validator("validator_addr")] "A validator";
    "delegation" [] "Delegation" [account("delegator_addr"), validator("validator_addr")]
        "What an account delegates to a validator";
    "delegations" [] "DelegatorDelegations" [account("delegator_addr")] "What an account delegates";
    "delegations-to" [] "ValidatorDelegations" [validator("validator_addr")]
        "What is delegated to a validator";
    "unbonding-delegation" [] "UnbondingDelegation" [account("delegator_addr"), validator("validator_addr")]
        "What an account takes back from a validator";
    "unbonding-delegations" [] "DelegatorUnbondingDelegations" [account("delegator_addr")]
        "What an account takes back";
    "unbonding-delegations-from" [] "ValidatorUnbondingDelegations" [validator("validator_addr")]
        "What is taken back from a validator";
    "redelegation" ["redelegations"] "Redelegations" [account("delegator_addr"), validator("src_validator_addr").optional(), validator("dst_validator_addr").optional()]
        "What an account moves between validators";
    "delegator-validators" [] "DelegatorValidators" [account("delegator_addr")]
        "Validators that an account delegates to";
    "delegator-validator" [] "DelegatorValidator" [account("delegator_addr"), validator("validator_addr")]
        "One of them";
    "historical-info" [] "HistoricalInfo" [number("height", "1000")] "Header and validators of a height";
    "pool" [] "Pool" [] "Coins that are bonded and not";
    "params" [] "Params" [] "Parameters";
);

#[rustfmt::skip]
const COMPUTE: &[Row] = rows!("geodesic.staking.v1.Query";
    "power-source" [] "PowerSource" [] "What gives power on this chain: coins or compute";
    "compute-powers" [] "ComputePowers" [] "Share, collateral and power of all operators";
    "validator-set" [] "ValidatorSet" [number("height", "1000")] "Who signs a height near the newest";
);

#[rustfmt::skip]
const CONSENSUS: &[Row] = rows!("cosmos.consensus.v1.Query";
    "params" [] "Params" [] "Parameters of CometBFT";
);

#[rustfmt::skip]
const EPOCHS: &[Row] = rows!("geodesic.epochs.v1.Query";
    "params" [] "Params" [] "Lengths of an epoch and its parts";
    "current" [] "Current" [] "The current epoch and its phase";
    "epoch" ["by-index"] "ByIndex" [number("index", "5")] "Heights of an epoch";
);

#[rustfmt::skip]
const SLASHING: &[Row] = rows!("cosmos.slashing.v1beta1.Query";
    "params" [] "Params" [] "Parameters";
    "signing-info" [] "SigningInfo" [Field::new("cons_address", Is::ConsensusKey, "geovalcons1...")]
        "Missed blocks of a validator, by its consensus address or the JSON of geod comet show-validator";
    "signing-infos" [] "SigningInfos" [] "Missed blocks of all validators";
);

#[rustfmt::skip]
const EVIDENCE: &[Row] = rows!("cosmos.evidence.v1beta1.Query";
    "evidence" [] "Evidence" [text("hash", "DF0C23E8...")] "Evidence by its hash";
    "list" [] "AllEvidence" [] "All evidence";
);

#[rustfmt::skip]
const SEEDS: &[Row] = rows!("geodesic.seeds.v1.Query";
    "params" [] "Params" [] "Parameters";
    "beacon" [] "Beacon" [number("height", "1000").optional()] "The beacon of a height, or the last one";
    "vrf-key" [] "VrfKey" [account("operator")] "VRF key of an operator";
);

#[rustfmt::skip]
const DIFFICULTY: &[Row] = rows!("geodesic.difficulty.v1.Query";
    "params" [] "Params" [] "Parameters";
    "current" [] "Current" [] "The newest target";
    "history" [] "History" [] "Targets of past epochs";
);

#[rustfmt::skip]
const POW: &[Row] = rows!("geodesic.pow.v1.Query";
    "params" [] "Params" [] "Parameters";
    "shape" [] "Shape" [] "The network that is computed";
    "participant" [] "Participant" [account("participant")] "A participant";
    "participants" [] "Participants" [] "All participants";
    "epoch" [] "Epoch" [number("epoch", "5")] "Key, target and draw of an epoch";
    "commitments" [] "Commitments" [number("epoch", "5")] "What was committed to in an epoch";
    "duties" [] "Duties" [number("epoch", "5")]
        "Powers and provers that the audits of an epoch are drawn from";
    "verdicts" [] "Verdicts" [number("epoch", "5")] "Who sent a verdict in an epoch";
    "verdict-duties" [] "VerdictDuties" [number("epoch", "5"), account("auditor").flag("auditor")]
        "What the verdicts of an epoch say";
    "demands" [] "Demands" [number("epoch", "5"), account("prover").flag("prover")]
        "Samples demanded in an epoch, and answers";
    "accusations" ["cases"] "Accusations" [number("epoch", "5")] "Cases of an epoch";
    "judgments" [] "Judgments" [number("epoch", "5")] "Judgments of an epoch";
    "weights" [] "Weights" [number("epoch", "5")] "What counted in an epoch";
);

#[rustfmt::skip]
const REWARDS: &[Row] = rows!("geodesic.rewards.v1.Query";
    "params" [] "Params" [] "Parameters";
    "epoch" [] "Epoch" [number("epoch", "5")] "What an epoch paid, and to whom";
    "claimable" [] "Claimable" [account("participant")] "Rewards that a participant can claim";
    "history" [] "History" [account("participant")] "All rewards of a participant";
);

#[rustfmt::skip]
const NODE: &[Row] = rows!("cosmos.base.node.v1beta1.Service";
    "config" [] "Config" [] "Least gas price and pruning of the node";
    "status" [] "Status" [] "Height, time and hashes of the node";
);

#[rustfmt::skip]
const COMET: &[Row] = rows!("cosmos.base.tendermint.v1beta1.Service";
    "node-info" [] "GetNodeInfo" [] "Versions and network of the node";
    "syncing" [] "GetSyncing" [] "Whether the node is behind";
    "block-latest" [] "GetLatestBlock" [] "The newest block";
    "block-by-height" [] "GetBlockByHeight" [number("height", "1000")] "The block at a height";
    "validator-set" [] "GetLatestValidatorSet" [] "Who signs the newest block";
    "validator-set-by-height" [] "GetValidatorSetByHeight" [number("height", "1000")] "Who signs a height";
);
