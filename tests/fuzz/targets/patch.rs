//! Patches of all four types.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| maestro_tests::fuzz::run("patch", input));
