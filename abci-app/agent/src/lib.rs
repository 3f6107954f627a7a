//! The operator's reconciling loop.
