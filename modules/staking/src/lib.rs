//! Validators, delegations and consensus power.
