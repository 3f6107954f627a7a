#![no_main]
#[allow(dead_code)] // the other entries
#[path = "../entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::snapshot(data));
