//! Store traits, typed keys, contexts, gas, events, errors, coins and fixed-point maths.
