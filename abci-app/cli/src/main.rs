//! `geod`: the node, its tools and its agent.
fn main() {}
