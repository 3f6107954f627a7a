//! Participants, commitments, audits, accusations and weights.
