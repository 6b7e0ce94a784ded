#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hellotap::fuzz::client_hello(bytes));
