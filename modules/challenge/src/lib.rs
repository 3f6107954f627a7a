//! The compute challenge in integers: streams, reference network, distance, commitment, sampling.
