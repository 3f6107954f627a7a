//! Phases of an epoch as a function of height.
