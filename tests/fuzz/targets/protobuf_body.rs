//! Bodies in protobuf.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| maestro_tests::fuzz::run("protobuf_body", input));
