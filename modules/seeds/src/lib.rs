//! VRF keys, the beacon and epoch keys.
