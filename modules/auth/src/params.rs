//! Parameters: limits and prices that every transaction obeys.

use geodesic_proto::cosmos::auth::v1beta1::Params;

/// The SDK's defaults.
pub const DEFAULT: Params = Params {
    max_memo_characters: 256,
    tx_sig_limit: 7,
    tx_size_cost_per_byte: 10,
    sig_verify_cost_ed25519: 590,
    sig_verify_cost_secp256k1: 1000,
};

/// Checks that no parameter is zero.
///
/// # Errors
/// The text names the parameter.
pub fn validate(params: &Params) -> Result<(), String> {
    for (name, value) in [
        ("tx signature limit", params.tx_sig_limit),
        ("ED25519 signature verification cost", params.sig_verify_cost_ed25519),
        ("SECK256k1 signature verification cost", params.sig_verify_cost_secp256k1),
        ("max memo characters", params.max_memo_characters),
        ("tx size cost per byte", params.tx_size_cost_per_byte),
    ] {
        if value == 0 {
            return Err(format!("invalid {name}: 0"));
        }
    }
    Ok(())
}
