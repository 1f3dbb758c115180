//! Label and field selectors.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| maestro_tests::fuzz::run("selector", input));
