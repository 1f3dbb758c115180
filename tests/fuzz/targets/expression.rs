//! CEL: rules, policies and templates.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| maestro_tests::fuzz::run("expression", input));
