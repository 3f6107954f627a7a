//! Accounts, public keys, sequences and module accounts.
