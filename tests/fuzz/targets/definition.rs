//! Schemas of custom kinds, and objects that they judge.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| maestro_tests::fuzz::run("definition", input));
