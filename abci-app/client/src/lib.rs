//! Keys and keyring, signing, transactions, RPC and gRPC clients.
