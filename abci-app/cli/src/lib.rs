//! The geod command line: commands, configuration files and the supervisor of cometbft.
