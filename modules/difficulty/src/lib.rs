//! The hit threshold r_target and its retargeting.
