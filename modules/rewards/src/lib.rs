//! Emission, split and claims of epoch rewards.
