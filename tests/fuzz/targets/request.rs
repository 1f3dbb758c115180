//! Whole requests: method, path, query, headers and body.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| maestro_tests::fuzz::run("request", input));
