//! Every key: the SDK's, in its tree `staking`, and those of compute power and of validator sets, in the tree `compute`.

use geodesic_core::item::{Item, Key, LenAddress, Map, Pb, Text};
use geodesic_core::{Address, Int, StoreId};
use geodesic_proto::cosmos::staking::v1beta1 as pb;
use geodesic_proto::geodesic::staking::v1 as own;
use geodesic_proto::prost;
use geodesic_proto::prost_types::Timestamp;

use crate::entries::{Redelegation, UnbondingDelegation};
use crate::params::{ComputeParams, Params};
use crate::time::TimeKey;
use crate::types::{AsMessage, Delegation, Validator};

/// The SDK's store.
pub const STORE: StoreId = StoreId::tree("staking");

/// Ours.
pub const COMPUTE: StoreId = StoreId::tree("compute");

/// `cosmos.base.v1beta1.IntProto`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct IntProto {
    /// Decimal text.
    #[prost(string, tag = "1")]
    pub int: String,
}

/// `0x11 | len | operator -> Int64Value`: power in the set last returned.
pub static LAST_VALIDATOR_POWER: Map<LenAddress, i64, Pb> = Map::new(STORE, &[0x11]);
/// `0x12 -> IntProto`: their sum.
pub static LAST_TOTAL_POWER: Item<IntProto, Pb> = Item::new(STORE, &[0x12]);

/// `0x21 | len | operator -> Validator`.
pub static VALIDATORS: Map<LenAddress, Validator, AsMessage> = Map::new(STORE, &[0x21]);
/// `0x22 | len | consensus address -> operator`.
pub static VALIDATORS_BY_CONS: Map<LenAddress, Address> = Map::new(STORE, &[0x22]);
/// `0x23 | power:be64 | len | not operator -> operator`: power that the tokens would give, unless jailed.
pub static POWER_INDEX: Map<PowerKey, Address> = Map::new(STORE, &[0x23]);

/// `0x31 | len | delegator | len | operator -> Delegation`.
pub static DELEGATIONS: Map<(LenAddress, LenAddress), Delegation, AsMessage> = Map::new(STORE, &[0x31]);
/// `0x71 | len | operator | delegator -> nothing`.
pub static DELEGATIONS_BY_VALIDATOR: Map<(LenAddress, Address), ()> = Map::new(STORE, &[0x71]);

/// `0x32 | len | delegator | len | operator -> UnbondingDelegation`.
pub static UNBONDINGS: Map<(LenAddress, LenAddress), UnbondingDelegation, AsMessage> =
    Map::new(STORE, &[0x32]);
/// `0x33 | len | operator | len | delegator -> nothing`.
pub static UNBONDINGS_BY_VALIDATOR: Map<(LenAddress, LenAddress), ()> = Map::new(STORE, &[0x33]);

/// `0x34 | len | delegator | len | source | len | destination -> Redelegation`.
pub static REDELEGATIONS: Map<(LenAddress, LenAddress, LenAddress), Redelegation, AsMessage> =
    Map::new(STORE, &[0x34]);
/// `0x35 | len | source | len | delegator | len | destination -> nothing`.
pub static REDELEGATIONS_BY_SOURCE: Map<(LenAddress, LenAddress, LenAddress), ()> = Map::new(STORE, &[0x35]);
/// `0x36 | len | destination | len | delegator | len | source -> nothing`.
pub static REDELEGATIONS_BY_DESTINATION: Map<(LenAddress, LenAddress, LenAddress), ()> =
    Map::new(STORE, &[0x36]);

/// `0x37 -> be64`: the last number given to an unbonding.
pub static UNBONDING_ID: Item<u64> = Item::new(STORE, &[0x37]);
/// `0x38 | id:be64 -> key of the unbonding delegation, redelegation or validator`.
pub static UNBONDING_INDEX: Map<u64, Vec<u8>> = Map::new(STORE, &[0x38]);
/// `0x39 | id:be64 -> be64`: 1 unbonding delegation, 2 redelegation, 3 validator.
pub static UNBONDING_TYPE: Map<u64, u64> = Map::new(STORE, &[0x39]);

/// `0x41 | time -> DVPairs`: unbonding delegations by completion time.
pub static UNBONDING_QUEUE: Map<TimeKey, pb::DvPairs, Pb> = Map::new(STORE, &[0x41]);
/// `0x42 | time -> DVVTriplets`: redelegations by completion time.
pub static REDELEGATION_QUEUE: Map<TimeKey, pb::DvvTriplets, Pb> = Map::new(STORE, &[0x42]);
/// `0x43 | 29:be64 | time | height:be64 -> ValAddresses`: validators by the end of their unbonding.
pub static VALIDATOR_QUEUE: Map<QueueKey, pb::ValAddresses, Pb> = Map::new(STORE, &[0x43]);

/// `0x50 | height:be64 -> HistoricalInfo`.
pub static HISTORICAL: Map<u64, pb::HistoricalInfo, Pb> = Map::new(STORE, &[0x50]);
/// `0x51 -> Params`.
pub static PARAMS: Item<Params, AsMessage> = Item::new(STORE, &[0x51]);
/// `0x61 -> ValidatorUpdates`: of the last block, as the SDK orders them.
pub static VALIDATOR_UPDATES: Item<pb::ValidatorUpdates, Pb> = Item::new(STORE, &[0x61]);

/// A number for each operator.
pub(crate) type Numbers = Map<[u8; 20], u64>;

/// `0x00 -> u8`: 0 stake, 1 compute.
pub static POWER_SOURCE: Item<u8> = Item::new(COMPUTE, &[0x00]);
/// `0x01 -> ComputeParams`.
pub static COMPUTE_PARAMS: Item<ComputeParams, AsMessage> = Item::new(COMPUTE, &[0x01]);
/// `0x02 | operator:20 -> be64`: share behind the power, in units of 10^-12.
pub static SHARES: Numbers = Map::new(COMPUTE, &[0x02]);
/// `0x03 | operator:20 -> be64`: power in the set, in millionths, never 0.
pub static POWERS: Numbers = Map::new(COMPUTE, &[0x03]);
/// `0x04 | operator:20 -> be64`: share from the next activation on, in units of 10^-12.
pub static PENDING: Numbers = Map::new(COMPUTE, &[0x04]);
/// `0x05 | height:be64 -> Timestamp`: when powers were given.
pub static ACTIVATIONS: Map<u64, Timestamp, Pb> = Map::new(COMPUTE, &[0x05]);
/// `0x06 | height:be64 | operator:20 -> decimal text`: collateral at an activation of those who had a share.
pub static BACKINGS: Map<(u64, [u8; 20]), Int, Text> = Map::new(COMPUTE, &[0x06]);
/// `0x07 | height:be64 -> ValidatorSet`: who signs from that height on.
pub static SETS: Map<u64, own::ValidatorSet, Pb> = Map::new(COMPUTE, &[0x07]);

/// Rank of a validator: by power, of equal powers the lower address ranks higher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerKey {
    /// Power that its tokens would give.
    pub power: u64,
    /// Operator.
    pub operator: Address,
}

impl Key for PowerKey {
    fn write(&self, out: &mut Vec<u8>) {
        self.power.write(out);
        let bytes = self.operator.as_bytes();
        out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX)); // an Address has at most 255 bytes
        out.extend(bytes.iter().map(|b| !b));
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        let power = Key::read(input)?;
        let LenAddress(inverted) = Key::read(input)?;
        let bytes: Vec<u8> = inverted.as_bytes().iter().map(|b| !b).collect();
        Some(Self { power, operator: Address::try_new(bytes).ok()? })
    }
}

/// When and at which height a validator's unbonding began to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueKey {
    /// End of the unbonding.
    pub time: TimeKey,
    /// Height of its beginning.
    pub height: u64,
}

/// Length of a [`TimeKey`], which the SDK writes in front of it.
const TIME_LEN: u64 = 29;

impl Key for QueueKey {
    fn write(&self, out: &mut Vec<u8>) {
        (TIME_LEN, self.time, self.height).write(out);
    }
    fn read(input: &mut &[u8]) -> Option<Self> {
        let (len, time, height): (u64, TimeKey, u64) = Key::read(input)?;
        (len == TIME_LEN).then_some(Self { time, height })
    }
}

/// An address as a key's part.
pub(crate) fn len(address: &Address) -> LenAddress {
    LenAddress(address.clone())
}
