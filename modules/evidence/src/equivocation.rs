//! The one kind of evidence (`x/evidence/types/evidence.go`).

use geodesic_proto::any;
use geodesic_proto::cosmos::evidence::v1beta1::Equivocation;
use geodesic_proto::prost::Message;
use geodesic_proto::prost_types::{Any, Timestamp};
use sha2::{Digest, Sha256};

/// Times that protobuf allows: the years 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// What it is called where handlers are looked up.
pub(crate) const ROUTE: &str = "equivocation";

/// SHA-256 of the encoded message.
pub(crate) fn hash(e: &Equivocation) -> [u8; 32] {
    Sha256::digest(e.encode_to_vec()).into()
}

/// The equivocation in an `Any`.
pub(crate) fn unpack(any: &Any) -> Result<Equivocation, String> {
    let e: Equivocation = any::unpack(any).map_err(|e| e.to_string())?;
    let time = e.time.unwrap_or_default();
    if !SECONDS.contains(&time.seconds) || !(0..1_000_000_000).contains(&time.nanos) {
        return Err(format!("time of equivocation: {time:?} is not between the years 1 and 9999"));
    }
    Ok(e)
}

/// Checks what can be checked without state.
pub(crate) fn validate(e: &Equivocation) -> Result<(), String> {
    if e.time.as_ref().is_none_or(|t: &Timestamp| t.seconds <= 0) {
        return Err(format!("invalid equivocation time: {:?}", e.time));
    }
    if e.height < 1 {
        return Err(format!("invalid equivocation height: {}", e.height));
    }
    if e.power < 1 {
        return Err(format!("invalid equivocation validator power: {}", e.power));
    }
    if e.consensus_address.is_empty() {
        return Err("invalid equivocation validator consensus address: ".to_owned());
    }
    Ok(())
}
